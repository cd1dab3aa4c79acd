//! Cancels the load of a version from another thread.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Cancels the load of a version from another thread. A clone cancels the same load.
#[derive(Clone, Default)]
pub struct LoadCancellation(Arc<Mutex<LoadState>>);

#[derive(Default)]
enum LoadState {
    #[default]
    Running,
    /// The load runs, and this ends its current step.
    Interruptible(Box<dyn FnOnce() + Send>),
    Cancelled,
}

/// Cancels a load when it is dropped. A load that has ended does not notice.
#[must_use]
pub struct CancelLoadOnDrop(LoadCancellation);

/// The current step of a load can be interrupted until this is dropped.
#[must_use]
pub(super) struct InterruptibleStep<'a>(&'a LoadCancellation);

impl LoadCancellation {
    /// Returns a guard that cancels the load when it is dropped.
    pub fn cancel_on_drop(&self) -> CancelLoadOnDrop {
        CancelLoadOnDrop(self.clone())
    }

    /// Begins a step that `interrupt` ends from another thread. `None` if the load is cancelled already.
    pub(super) fn begin_step(
        &self,
        interrupt: impl FnOnce() + Send + 'static,
    ) -> Option<InterruptibleStep<'_>> {
        let mut state = self.state();
        if matches!(*state, LoadState::Cancelled) {
            return None;
        }
        *state = LoadState::Interruptible(Box::new(interrupt));
        Some(InterruptibleStep(self))
    }

    fn cancel(&self) {
        let state = std::mem::replace(&mut *self.state(), LoadState::Cancelled);
        if let LoadState::Interruptible(interrupt) = state {
            interrupt();
        }
    }

    /// Whether the load is cancelled.
    pub(super) fn is_cancelled(&self) -> bool {
        matches!(*self.state(), LoadState::Cancelled)
    }

    fn state(&self) -> MutexGuard<'_, LoadState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for CancelLoadOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Drop for InterruptibleStep<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        if matches!(*state, LoadState::Interruptible(_)) {
            *state = LoadState::Running;
        }
    }
}
