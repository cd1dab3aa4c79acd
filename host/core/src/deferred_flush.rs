//! Deferred flushes: a task that sends to many connections queues all frames first, and writes them at the end of its
//! wake-up, with one write a connection.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::sync::Arc;

/// The number of connections that one task writes to in a row.
const PIECE_LEN: usize = 64;

/// The capacity of the list that a thread keeps; a larger list is freed.
const MAX_RETAINED_CAPACITY: usize = 1_024;

thread_local! {
    static IS_DEFERRING: Cell<bool> = const { Cell::new(false) };
    static DEFERRED: RefCell<Vec<Arc<dyn Flush>>> = const { RefCell::new(Vec::new()) };
}

/// Something that has queued frames for a socket.
pub trait Flush: Send + Sync {
    /// Writes the queued frames. Does not block.
    fn flush(&self);
}

/// Collects the flushes of this thread that [`defer`] requests. Dropping it flushes them. It must not live across an
/// await, because the task may continue on another thread.
#[must_use]
pub struct FlushScope {
    /// Whether another scope of this thread exists already. The outermost one flushes.
    is_nested: bool,
    /// Keeps the scope on its thread.
    thread: PhantomData<*const ()>,
}

/// Connections whose queued frames have to be written. Dropping it writes them.
#[must_use]
pub struct FlushList(Vec<Arc<dyn Flush>>);

/// Starts to collect the flushes of this thread.
pub fn defer_flushes() -> FlushScope {
    FlushScope { is_nested: IS_DEFERRING.replace(true), thread: PhantomData }
}

/// Whether this thread collects flushes.
pub fn is_deferring() -> bool {
    IS_DEFERRING.get()
}

/// Flushes at the end of the outermost [`FlushScope`] of this thread, or now if there is none.
pub fn defer(target: Arc<dyn Flush>) {
    if IS_DEFERRING.get() {
        DEFERRED.with_borrow_mut(|list| list.push(target));
    } else {
        target.flush();
    }
}

impl FlushScope {
    /// Takes the flushes that were collected so far. A nested scope leaves them to the outermost one.
    pub fn take(&self) -> FlushList {
        FlushList(if self.is_nested { Vec::new() } else { DEFERRED.take() })
    }

    /// Ends the scope, and passes the collected flushes to `write` if there are any. A nested scope leaves them to the
    /// outermost one.
    pub fn end(self, write: impl FnOnce(FlushList)) {
        let list = self.take();
        if !list.0.is_empty() {
            write(list);
        }
    }
}

impl Drop for FlushScope {
    fn drop(&mut self) {
        if self.is_nested {
            return;
        }
        IS_DEFERRING.set(false);
        self.take().flush();
    }
}

impl FlushList {
    /// Writes the frames of the first connections, and hands the others over in pieces, so that one task does not write
    /// to a large room alone.
    pub fn flush_in_pieces(mut self, hand_over: impl Fn(Self)) {
        let mut rest = self.split_off_rest();
        while let Some(mut piece) = rest {
            rest = piece.split_off_rest();
            hand_over(piece);
        }
        self.flush();
    }

    /// Splits off all connections but those of one piece. `None` if there are no more.
    fn split_off_rest(&mut self) -> Option<Self> {
        (self.0.len() > PIECE_LEN).then(|| Self(self.0.split_off(PIECE_LEN)))
    }

    /// Writes the frames.
    pub fn flush(mut self) {
        self.flush_all();
        // The memory is kept for the next wake-up of this thread.
        let list = std::mem::take(&mut self.0);
        if list.capacity() <= MAX_RETAINED_CAPACITY {
            DEFERRED.with_borrow_mut(|kept| {
                if kept.is_empty() {
                    *kept = list;
                }
            });
        }
    }

    fn flush_all(&mut self) {
        self.0.drain(..).for_each(|target| target.flush());
    }
}

impl Drop for FlushList {
    fn drop(&mut self) {
        self.flush_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[derive(Default)]
    struct Counter(AtomicU32);

    impl Flush for Counter {
        fn flush(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Counter {
        fn count(&self) -> u32 {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn deferred_flushes_happen_when_the_outermost_scope_is_dropped() {
        let counter = Arc::new(Counter::default());
        let outer = defer_flushes();
        let inner = defer_flushes();
        defer(counter.clone());
        assert!(inner.take().0.is_empty());
        drop(inner);
        assert_eq!(counter.count(), 0);
        drop(outer);
        assert_eq!(counter.count(), 1);
    }

    #[test]
    fn a_flush_without_a_scope_happens_at_once() {
        let counter = Arc::new(Counter::default());
        defer(counter.clone());
        assert_eq!(counter.count(), 1);
    }

    #[test]
    fn a_long_list_is_handed_over_in_pieces() {
        let counter = Arc::new(Counter::default());
        let scope = defer_flushes();
        (0..2 * PIECE_LEN + 1).for_each(|_| defer(counter.clone()));
        let pieces = RefCell::new(Vec::new());
        scope.take().flush_in_pieces(|piece| pieces.borrow_mut().push(piece));
        assert_eq!(counter.count() as usize, PIECE_LEN);
        let lengths: Vec<_> = pieces.borrow().iter().map(|piece| piece.0.len()).collect();
        assert_eq!(lengths, [PIECE_LEN, 1]);
    }

    #[test]
    fn a_dropped_list_flushes() {
        let counter = Arc::new(Counter::default());
        let scope = defer_flushes();
        (0..5).for_each(|_| defer(counter.clone()));
        drop(scope.take());
        assert_eq!(counter.count(), 5);
    }

    #[test]
    fn a_panic_in_a_scope_still_flushes() {
        let counter = Arc::new(Counter::default());
        let target = counter.clone();
        let outcome = std::panic::catch_unwind(move || {
            let _scope = defer_flushes();
            defer(target);
            panic!("a panic of the test");
        });
        assert!(outcome.is_err());
        assert_eq!(counter.count(), 1);
        assert!(!is_deferring());
    }
}
