//! A mutex around a state that any task changes and one task follows. The following task is woken only when it is parked.
//!
//! ```text
//!              begin_poll                     unlock_and_take_waker
//!   parked ──────────────▶ running      parked ────────────────────▶ running, and woken
//!          ◀──────────────
//!          park (clean)               running and dirty: park wakes the task at once
//! ```

use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
use std::task::{Context, Waker};

use crate::primitives::{Mutex, MutexGuard};

/// A state, and the task that follows it.
#[derive(Debug, Default)]
pub struct WakeMutex<S> {
    inner: Mutex<WakeState<S>>,
}

#[derive(Debug, Default)]
struct WakeState<S> {
    state: S,
    /// The state has changed since the task polled it.
    is_dirty: bool,
    /// The task is awake, and will poll the state without a wake-up.
    is_task_running: bool,
    /// The waker of the task.
    waker: Option<Waker>,
}

/// The locked state.
#[derive(Debug)]
pub struct WakeMutexGuard<'a, S>(MutexGuard<'a, WakeState<S>>);

impl<S> WakeMutex<S> {
    /// Creates a state that no task has polled yet.
    pub fn new(state: S) -> Self {
        Self {
            inner: Mutex::new(WakeState {
                state,
                is_dirty: false,
                is_task_running: false,
                waker: None,
            }),
        }
    }

    /// Locks the state.
    pub fn lock(&self) -> WakeMutexGuard<'_, S> {
        // No code panics between two writes, so a poisoned state is still consistent.
        WakeMutexGuard(self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S> WakeMutexGuard<'_, S> {
    /// Makes the task poll the state again, even if it is polling now: it may have passed the part that changed. The
    /// caller must call [`WakeMutexGuard::unlock_and_take_waker`] afterwards.
    pub fn mark_dirty(&mut self) {
        self.0.is_dirty = true;
    }

    /// Unlocks the state, and returns the waker of the task if the task is parked.
    #[must_use = "a task that is not woken stays parked for ever"]
    pub fn unlock_and_take_waker(mut self) -> Option<Waker> {
        if std::mem::replace(&mut self.0.is_task_running, true) {
            None
        } else {
            self.0.waker.take()
        }
    }

    /// Records that the task polls the state. Until it parks, it needs no wake-up. `has_more` says that this poll does
    /// not reach everything, so that the task has to poll again.
    pub fn begin_poll(&mut self, has_more: bool) {
        self.0.is_task_running = true;
        self.0.is_dirty = has_more;
    }

    /// Whether the state was [marked dirty](Self::mark_dirty) since the task polled it.
    pub fn is_dirty(&self) -> bool {
        self.0.is_dirty
    }

    /// Whether the task is parked: it polls the state again only after a wake-up.
    pub fn is_parked(&self) -> bool {
        !self.0.is_task_running
    }

    /// Records that the task goes on although it has parked: it has found other work. It parks again afterwards.
    pub fn resume(&mut self) {
        self.0.is_task_running = true;
    }

    /// Parks the task until it is woken. If the state was [marked dirty](WakeMutexGuard::mark_dirty) since the task
    /// polled it, wakes the task at once instead.
    pub fn park(mut self, cx: &Context<'_>) {
        if self.0.is_dirty {
            drop(self);
            cx.waker().wake_by_ref();
            return;
        }
        self.0.is_task_running = false;
        match &self.0.waker {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            _ => self.0.waker = Some(cx.waker().clone()),
        }
    }
}

impl<S: Default> WakeMutexGuard<'_, S> {
    /// Replaces the state, and forgets the task.
    pub fn reset(&mut self, state: S) {
        *self.0 = WakeState { state, ..WakeState::default() };
    }
}

impl<S> Deref for WakeMutexGuard<'_, S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.0.state
    }
}

impl<S> DerefMut for WakeMutexGuard<'_, S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.0.state
    }
}
