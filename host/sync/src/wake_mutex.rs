//! A state that any task changes and one task follows, which is woken when it rests and not otherwise.

use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
use std::task::{Context, Waker};

use crate::primitives::{Mutex, MutexGuard};

/// A state, and whether the task that follows it is awake.
#[derive(Debug, Default)]
pub struct WakeMutex<S> {
    inner: Mutex<WakeState<S>>,
}

#[derive(Debug, Default)]
struct WakeState<S> {
    state: S,
    /// Something was asked that the task has not looked at.
    is_dirty: bool,
    /// The task is awake, and will look by itself.
    is_task_running: bool,
    /// The task.
    waker: Option<Waker>,
}

/// The state, which nobody else sees meanwhile.
#[derive(Debug)]
pub struct WakeMutexGuard<'a, S>(MutexGuard<'a, WakeState<S>>);

impl<S> WakeMutex<S> {
    /// A state whose task has not looked at it yet.
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
        // Nothing in here panics between two writes, so a poisoned state is still whole.
        WakeMutexGuard(self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S> WakeMutexGuard<'_, S> {
    /// Has the task look, even if it does so already: it may have looked at what is changed now. To be followed by
    /// [`Guarded::wake`].
    pub fn mark_dirty(&mut self) {
        self.0.is_dirty = true;
    }

    /// Gives the lock back, and whom to wake then, if the task rests.
    #[must_use = "a task that is not woken rests for ever"]
    pub fn unlock_and_take_waker(mut self) -> Option<Waker> {
        if std::mem::replace(&mut self.0.is_task_running, true) {
            None
        } else {
            self.0.waker.take()
        }
    }

    /// The task looks. Until it rests nobody need wake it. With `again` there is more than it can look at now.
    pub fn begin_poll(&mut self, again: bool) {
        self.0.is_task_running = true;
        self.0.is_dirty = again;
    }

    /// Lets the task rest until it is woken, unless something was [noted](Guarded::note) since it looked: then it is
    /// woken at once.
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
    /// Puts another state in its place, and forgets the task.
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
