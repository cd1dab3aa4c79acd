//! Whether what the host serves still changes, or the host stops.

use std::sync::{Mutex, PoisonError};

/// Keeps what is changed or started apart from the stop: either it is done before, and is stopped too, or not at all.
#[derive(Debug, Default)]
pub(super) struct Stopping {
    has_begun: Mutex<bool>,
}

impl Stopping {
    /// Does something, unless the host stops: `None` then. The stop waits for it.
    pub(super) fn unless_begun<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        let has_begun = self.has_begun.lock().unwrap_or_else(PoisonError::into_inner);
        (!*has_begun).then(work)
    }

    /// Has nothing be done any more, then stops what was.
    pub(super) fn begin(&self, stop: impl FnOnce()) {
        *self.has_begun.lock().unwrap_or_else(PoisonError::into_inner) = true;
        stop();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn what_comes_before_the_stop_is_done_and_what_comes_after_is_not() {
        let (stopping, done, seen) = (Stopping::default(), Cell::new(0), Cell::new(0));
        let work = || stopping.unless_begun(|| done.set(done.get() + 1));
        assert_eq!(work(), Some(()));
        stopping.begin(|| seen.set(done.get()));
        assert_eq!((work(), done.get(), seen.get()), (None, 1, 1));
    }

    #[test]
    fn the_stop_waits_for_what_is_being_started() {
        let (stopping, (told, hears)) = (Stopping::default(), std::sync::mpsc::channel());
        std::thread::scope(|scope| {
            let started = stopping.unless_begun(|| {
                let (begun, begins) = std::sync::mpsc::channel();
                let (stopping, told) = (&stopping, told.clone());
                scope.spawn(move || {
                    begun.send(()).unwrap();
                    stopping.begin(|| told.send("stopped").unwrap());
                });
                begins.recv().unwrap();
                hears.try_recv().is_err()
            });
            assert_eq!(started, Some(true));
            assert_eq!(hears.recv().unwrap(), "stopped");
        });
    }
}
