//! The resources that a reservation can hold.

use crate::limit_kind::LimitKind;

/// A resource that is reserved and released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaResource {
    /// Slots of the instance pool. One instance may need several.
    Instances,
    /// Bytes of the snapshots that guests leave to their successors.
    SnapshotBytes,
    /// Bytes of linear memory.
    MemoryBytes,
    /// Open HTTP requests.
    Requests,
    /// DNS lookups in progress.
    DnsLookups,
    /// Versions that are compiled and tried.
    Loads,
}

impl QuotaResource {
    /// The limit that a refused reservation reports.
    pub(crate) const fn limit_kind(self) -> LimitKind {
        match self {
            Self::Instances => LimitKind::Instances,
            Self::SnapshotBytes => LimitKind::TotalSnapshots,
            Self::MemoryBytes => LimitKind::TotalMemory,
            Self::Loads => LimitKind::Loads,
            // Only HTTP requests need DNS lookups.
            Self::Requests | Self::DnsLookups => LimitKind::Requests,
        }
    }
}
