//! The order of changes to a host and of its stop.

use std::sync::{Mutex, PoisonError};

/// Lets changes run before the stop of a host, or not at all, so that the stop reaches all that was started.
#[derive(Debug, Default)]
pub(crate) struct ShutdownGate {
    is_closed: Mutex<bool>,
}

impl ShutdownGate {
    /// Runs `change`, and returns its result. Returns `None` if the gate is closed. The gate does not close meanwhile.
    pub(crate) fn run_unless_closed<T>(&self, change: impl FnOnce() -> T) -> Option<T> {
        let is_closed = self.is_closed.lock().unwrap_or_else(PoisonError::into_inner);
        (!*is_closed).then(change)
    }

    /// Closes the gate, then runs `stop`.
    pub(crate) fn close_and(&self, stop: impl FnOnce()) {
        *self.is_closed.lock().unwrap_or_else(PoisonError::into_inner) = true;
        stop();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn changes_run_before_the_stop_and_not_after() {
        let (gate, done, seen) = (ShutdownGate::default(), Cell::new(0), Cell::new(0));
        let change = || gate.run_unless_closed(|| done.set(done.get() + 1));
        assert_eq!(change(), Some(()));
        gate.close_and(|| seen.set(done.get()));
        assert_eq!((change(), done.get(), seen.get()), (None, 1, 1));
    }

    #[test]
    fn the_stop_waits_for_a_change_that_runs() {
        let (gate, (sender, receiver)) = (ShutdownGate::default(), std::sync::mpsc::channel());
        std::thread::scope(|scope| {
            let changed = gate.run_unless_closed(|| {
                let (begun_sender, begun) = std::sync::mpsc::channel();
                let (gate, sender) = (&gate, sender.clone());
                scope.spawn(move || {
                    begun_sender.send(()).unwrap();
                    gate.close_and(|| sender.send("stopped").unwrap());
                });
                begun.recv().unwrap();
                receiver.try_recv().is_err()
            });
            assert_eq!(changed, Some(true));
            assert_eq!(receiver.recv().unwrap(), "stopped");
        });
    }
}
