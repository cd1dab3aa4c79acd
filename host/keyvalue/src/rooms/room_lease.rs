//! The lease of a room, which one host has at a time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use narrowboat_core::boot_clock::time_since_boot;

/// The number of an owner of a room. Each owner has a larger one than those before it.
pub(crate) type LeaseToken = u64;

/// The lease of a room. A store that only one process has open gives leases that do not end.
#[derive(Debug)]
pub struct RoomLease {
    token: LeaseToken,
    /// The end of the lease on [`time_since_boot`], in milliseconds. 0 if it has been lost.
    valid_until: AtomicU64,
}

/// The value of a lease that does not end.
const ENDLESS: u64 = u64::MAX;

impl RoomLease {
    /// A lease that does not end.
    pub(crate) fn endless() -> Self {
        Self { token: 0, valid_until: AtomicU64::new(ENDLESS) }
    }

    /// A lease that ends `duration` after `requested_at`, the time since boot at which the store was asked for it.
    pub(crate) fn until(token: LeaseToken, requested_at: Duration, duration: Duration) -> Self {
        Self { token, valid_until: AtomicU64::new(millis(requested_at + duration)) }
    }

    /// The number of the owner, which the store compares with each write. 0 for a lease that does not end.
    #[must_use]
    pub fn token(&self) -> u64 {
        self.token
    }

    /// Whether the lease can end.
    #[must_use]
    pub fn can_end(&self) -> bool {
        self.valid_until.load(Ordering::Acquire) != ENDLESS
    }

    /// Whether this host still has the lease. The time in which the machine was suspended counts.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let until = self.valid_until.load(Ordering::Acquire);
        until == ENDLESS || millis(time_since_boot()) < until
    }

    /// The time until the lease ends.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        let until = self.valid_until.load(Ordering::Acquire);
        match until {
            ENDLESS => Duration::MAX,
            until => Duration::from_millis(until.saturating_sub(millis(time_since_boot()))),
        }
    }

    /// Extends the lease, unless it has ended meanwhile: then effects have been dropped, and it stays lost.
    pub(crate) fn extend(&self, requested_at: Duration, duration: Duration) {
        let until = millis(requested_at + duration);
        let _ = self.valid_until.fetch_update(Ordering::AcqRel, Ordering::Acquire, |before| {
            let is_valid = before != 0 && millis(time_since_boot()) < before;
            Some(if is_valid { before.max(until) } else { 0 })
        });
    }

    /// Records that another host has the room, or that the store has lost the lease.
    pub fn mark_lost(&self) {
        self.valid_until.store(0, Ordering::Release);
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(ENDLESS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_that_was_lost_is_never_valid_again() {
        let lease = RoomLease::until(7, time_since_boot(), Duration::from_secs(60));
        assert!(lease.is_valid());
        lease.mark_lost();
        lease.extend(time_since_boot(), Duration::from_secs(60));
        assert!(!lease.is_valid());
    }

    #[test]
    fn a_lease_ends_after_its_time() {
        let before = time_since_boot().saturating_sub(Duration::from_secs(2));
        let lease = RoomLease::until(7, before, Duration::from_secs(1));
        assert!(!lease.is_valid());
        assert_eq!(lease.time_left(), Duration::ZERO);
        assert!(RoomLease::endless().is_valid());
    }
}
