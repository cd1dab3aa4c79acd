//! Deferred wake-ups: tasks are woken after the caller has released a lock, by code that does not know of the lock.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::task::Waker;

use crate::self_wake;

/// The capacity of the list of wakers that a thread keeps; a larger list is freed.
const MAX_RETAINED_CAPACITY: usize = 1_024;

thread_local! {
    static IS_DEFERRING: Cell<bool> = const { Cell::new(false) };
    static DEFERRED: RefCell<Vec<Waker>> = const { RefCell::new(Vec::new()) };
}

/// Defers the wake-ups of this thread that [`wake_or_defer`] requests until the guard is dropped. It must not live across
/// an await, because the task may continue on another thread.
#[derive(Debug)]
#[must_use]
pub struct DeferredWakeGuard {
    /// Whether another guard of this thread exists already. The outermost one wakes.
    is_nested: bool,
    /// Keeps the guard on its thread.
    thread: PhantomData<*const ()>,
}

/// Starts to defer wake-ups, so that a woken task does not wait for a lock that the caller still holds.
pub fn defer_wakes() -> DeferredWakeGuard {
    DeferredWakeGuard { is_nested: IS_DEFERRING.replace(true), thread: PhantomData }
}

/// Wakes a task now, or when the last [`DeferredWakeGuard`] of this thread is dropped.
pub fn wake_or_defer(waker: Waker) {
    if IS_DEFERRING.get() {
        DEFERRED.with_borrow_mut(|wakers| wakers.push(waker));
    } else {
        self_wake::wake(waker);
    }
}

impl Drop for DeferredWakeGuard {
    fn drop(&mut self) {
        if self.is_nested {
            return;
        }
        IS_DEFERRING.set(false);
        // Take the list out, because a waker may run code that calls this module again.
        let mut wakers = DEFERRED.take();
        wakers.drain(..).for_each(self_wake::wake);
        if wakers.capacity() <= MAX_RETAINED_CAPACITY {
            DEFERRED.replace(wakers);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::wake_counter::WakeCounter;

    #[test]
    fn deferred_wake_ups_happen_when_the_outermost_guard_is_dropped() {
        let counter = Arc::new(WakeCounter::default());
        let woken = || counter.count();
        wake_or_defer(Arc::clone(&counter).into());
        assert_eq!(woken(), 1);
        let outer = defer_wakes();
        let inner = defer_wakes();
        wake_or_defer(Arc::clone(&counter).into());
        drop(inner);
        wake_or_defer(Arc::clone(&counter).into());
        assert_eq!(woken(), 1);
        drop(outer);
        assert_eq!(woken(), 3);
        wake_or_defer(Arc::clone(&counter).into());
        assert_eq!(woken(), 4);
    }
}
