//! How much of something a tenant has left.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A number of bytes or memberships in use, and the most there may be.
pub(super) struct CappedCounter {
    used: AtomicUsize,
    limit: usize,
}

impl CappedCounter {
    pub(super) fn new(limit: usize) -> Self {
        Self { used: AtomicUsize::new(0), limit }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether so much could be taken now.
    pub(super) fn has_room_for(&self, amount: usize) -> bool {
        self.used.load(Ordering::Relaxed).saturating_add(amount) <= self.limit
    }

    /// Takes an amount, all or nothing, and says whether there was room.
    pub(super) fn try_add(&self, amount: usize) -> bool {
        let within = |used: usize| used.checked_add(amount).filter(|&sum| sum <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).is_ok()
    }

    /// Takes an amount that is there already, even beyond the limit.
    pub(super) fn force_add(&self, amount: usize) {
        self.used.fetch_add(amount, Ordering::Relaxed);
    }

    /// Gives back what was taken.
    pub(super) fn subtract(&self, amount: usize) {
        self.used.fetch_sub(amount, Ordering::Relaxed);
    }
}
