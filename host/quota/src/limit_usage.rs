//! The limits of a meter, and how each fares, for operators.

use std::sync::atomic::Ordering;

use narrowboat_sync::{GaugeLimit, UNBOUNDED};

use super::rate_limiter::RateLimiter;
use super::{LIMIT_KINDS, LimitKind, QuotaNode};

/// A bound of one plugin, one tenant or the host, and how it fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitUsage {
    /// Which.
    pub kind: LimitKind,
    /// How many there are, of what is given back.
    pub used: Option<u64>,
    /// How many there may be, or how many a second; bytes, and of `cpu` nanoseconds.
    pub limit: Option<u64>,
    /// How often it was reached.
    pub hit_count: u64,
}

impl QuotaNode {
    /// The bounds that are set, and those that were reached.
    pub fn limit_usage(&self) -> impl Iterator<Item = LimitUsage> + use<'_> {
        let limits = LIMIT_KINDS.into_iter().map(|bound| LimitUsage {
            kind: bound,
            used: self.used(bound),
            limit: self.limit(bound),
            hit_count: self.limit_hits.hit_count(bound),
        });
        limits.filter(|limit| limit.limit.is_some() || limit.hit_count > 0)
    }

    /// How many there may be of something, or how many a second.
    pub fn limit(&self, bound: LimitKind) -> Option<u64> {
        let most = |most: usize| (most != UNBOUNDED).then_some(most as u64);
        match bound {
            LimitKind::ConnectionsPerAddress => most(self.per_address.limit()),
            LimitKind::Keyvalue => most(self.keyvalue_bytes.load(Ordering::Relaxed)),
            bound => match self.gauge(bound) {
                Some(level) => most(level.limit()),
                None => self.rate_limiter(bound)?.rate(),
            },
        }
    }

    /// How many there are of something that is given back.
    pub fn used(&self, bound: LimitKind) -> Option<u64> {
        self.gauge(bound).map(|level| level.used() as u64)
    }

    /// Whether it is what a meter measures, whatever bound there is.
    pub(super) const fn measures(&self, bound: LimitKind) -> bool {
        let is_counted = matches!(bound, LimitKind::ConnectionsPerAddress | LimitKind::Keyvalue);
        is_counted || self.gauge(bound).is_some() || self.rate_limiter(bound).is_some()
    }

    pub(super) const fn gauge(&self, bound: LimitKind) -> Option<&GaugeLimit> {
        match bound {
            LimitKind::Connections => Some(&self.connections),
            LimitKind::Instances => Some(&self.instances),
            LimitKind::Snapshots => Some(&self.snapshot_bytes),
            LimitKind::Memories => Some(&self.memory_bytes),
            LimitKind::Requests => Some(&self.requests),
            _ => None,
        }
    }

    pub(super) const fn rate_limiter(&self, bound: LimitKind) -> Option<&RateLimiter> {
        match bound {
            LimitKind::Connects => Some(&self.connect_rate),
            LimitKind::Cpu => Some(&self.cpu_rate),
            LimitKind::FramesIn => Some(&self.inbound.frames),
            LimitKind::BytesIn => Some(&self.inbound.bytes),
            LimitKind::FramesOut => Some(&self.outbound.frames),
            LimitKind::BytesOut => Some(&self.outbound.bytes),
            _ => None,
        }
    }
}
