//! Waking tasks once a lock is given back, where whoever holds it is not the one who wakes.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::task::Waker;

/// Room for so many tasks stays with a thread; more is given back.
const MAX_RETAINED_CAPACITY: usize = 1_024;

thread_local! {
    static IS_DEFERRING: Cell<bool> = const { Cell::new(false) };
    static HELD: RefCell<Vec<Waker>> = const { RefCell::new(Vec::new()) };
}

/// While it lives, tasks that this thread wakes by [`wake`] stay asleep; they are woken when it is dropped. It must
/// not live across an await, which may go on elsewhere.
#[derive(Debug)]
#[must_use]
pub struct DeferredWakeGuard {
    /// Another one lives already, and wakes.
    is_nested: bool,
    /// It belongs to its thread.
    thread: PhantomData<*const ()>,
}

/// Holds back what is woken, so that whoever is woken does not run against a lock that is still held.
pub fn defer_wakes() -> DeferredWakeGuard {
    DeferredWakeGuard { is_nested: IS_DEFERRING.replace(true), thread: PhantomData }
}

/// Wakes a task, now or when nothing holds it back any more.
pub fn wake_or_defer(waker: Waker) {
    if IS_DEFERRING.get() {
        HELD.with_borrow_mut(|held| held.push(waker));
    } else {
        waker.wake();
    }
}

impl Drop for DeferredWakeGuard {
    fn drop(&mut self) {
        if self.is_nested {
            return;
        }
        IS_DEFERRING.set(false);
        // Taken out, since a task that is woken may run anything here.
        let mut held = HELD.take();
        held.drain(..).for_each(Waker::wake);
        if held.capacity() <= MAX_RETAINED_CAPACITY {
            HELD.replace(held);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Counter(AtomicU32);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn what_is_woken_meanwhile_is_woken_when_the_last_hold_ends() {
        let counter = Arc::new(Counter::default());
        let woken = || counter.0.load(Ordering::Relaxed);
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
