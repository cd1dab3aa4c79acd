//! Whether what the host serves still changes, or the host stops.

use std::sync::{Mutex, PoisonError};

/// Keeps what is changed or started apart from the stop: either it is done before, and is stopped too, or not at all.
#[derive(Debug, Default)]
pub(super) struct ShutdownGate {
    is_closed: Mutex<bool>,
}

impl ShutdownGate {
    /// Does something, unless the host stops: `None` then. The stop waits for it.
    pub(super) fn run_unless_closed<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        let has_begun = self.is_closed.lock().unwrap_or_else(PoisonError::into_inner);
        (!*has_begun).then(work)
    }

    /// Has nothing be done any more, then stops what was.
    pub(super) fn close_and(&self, stop: impl FnOnce()) {
        *self.is_closed.lock().unwrap_or_else(PoisonError::into_inner) = true;
        stop();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn what_comes_before_the_stop_is_done_and_what_comes_after_is_not() {
        let (stopping, done, seen) = (ShutdownGate::default(), Cell::new(0), Cell::new(0));
        let work = || stopping.run_unless_closed(|| done.set(done.get() + 1));
        assert_eq!(work(), Some(()));
        stopping.close_and(|| seen.set(done.get()));
        assert_eq!((work(), done.get(), seen.get()), (None, 1, 1));
    }

    #[test]
    fn the_stop_waits_for_what_is_being_started() {
        let (stopping, (told, hears)) = (ShutdownGate::default(), std::sync::mpsc::channel());
        std::thread::scope(|scope| {
            let started = stopping.run_unless_closed(|| {
                let (begun, begins) = std::sync::mpsc::channel();
                let (stopping, told) = (&stopping, told.clone());
                scope.spawn(move || {
                    begun.send(()).unwrap();
                    stopping.close_and(|| told.send("stopped").unwrap());
                });
                begins.recv().unwrap();
                hears.try_recv().is_err()
            });
            assert_eq!(started, Some(true));
            assert_eq!(hears.recv().unwrap(), "stopped");
        });
    }
}
