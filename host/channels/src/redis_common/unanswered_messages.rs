//! Messages that were sent to Redis and have no reply yet.

use std::sync::atomic::{AtomicU64, Ordering};

/// Messages that were sent to Redis and have no reply yet. They count as lost if this is dropped before
/// [`mark_answered`](Self::mark_answered).
pub(crate) struct UnansweredMessages<'a> {
    lost_counter: &'a AtomicU64,
    count: u64,
}

impl<'a> UnansweredMessages<'a> {
    pub(crate) fn new(lost_counter: &'a AtomicU64, count: u64) -> Self {
        Self { lost_counter, count }
    }

    /// Marks the messages as answered.
    pub(crate) fn mark_answered(mut self) {
        self.count = 0;
    }
}

impl Drop for UnansweredMessages<'_> {
    fn drop(&mut self) {
        self.lost_counter.fetch_add(self.count, Ordering::Relaxed);
    }
}
