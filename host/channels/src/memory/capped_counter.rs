//! A counter with a limit.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A number of bytes or memberships in use, and its limit.
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

    /// Whether `amount` could be added now.
    pub(super) fn has_room_for(&self, amount: usize) -> bool {
        self.used.load(Ordering::Relaxed).saturating_add(amount) <= self.limit
    }

    /// Adds `amount` if the sum stays within the limit. Returns whether it did.
    pub(super) fn try_add(&self, amount: usize) -> bool {
        let within = |used: usize| used.checked_add(amount).filter(|&sum| sum <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).is_ok()
    }

    /// Adds `amount` even beyond the limit.
    pub(super) fn force_add(&self, amount: usize) {
        self.used.fetch_add(amount, Ordering::Relaxed);
    }

    /// Subtracts an amount that was added before.
    pub(super) fn subtract(&self, amount: usize) {
        self.used.fetch_sub(amount, Ordering::Relaxed);
    }
}
