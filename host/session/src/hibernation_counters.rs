//! The counters of connections that hibernate.

use std::sync::atomic::{AtomicU64, Ordering};

/// The counters of the connections of a plugin that hibernate.
#[derive(Debug, Default)]
pub struct HibernationCounters {
    hibernated: AtomicU64,
    wakes: AtomicU64,
}

impl HibernationCounters {
    /// Connections that hibernate now.
    pub fn hibernated(&self) -> u64 {
        self.hibernated.load(Ordering::Relaxed)
    }

    /// Connections that have ended their hibernation since the host started.
    pub fn wakes(&self) -> u64 {
        self.wakes.load(Ordering::Relaxed)
    }

    /// Records that a connection begins to hibernate.
    pub(super) fn begin(&self) {
        self.hibernated.fetch_add(1, Ordering::Relaxed);
    }

    /// Records that a connection hibernates no more.
    pub(super) fn end(&self) {
        self.hibernated.fetch_sub(1, Ordering::Relaxed);
        self.wakes.fetch_add(1, Ordering::Relaxed);
    }
}
