//! The limits of a meter, and how each fares, for operators.

use std::sync::atomic::Ordering;

use narrowboat_sync::{Level, UNBOUNDED};

use super::bucket::Bucket;
use super::{BOUNDS, Bound, Meter};

/// A bound of one plugin, one tenant or the host, and how it fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitUse {
    /// Which.
    pub bound: Bound,
    /// How many there are, of what is given back.
    pub used: Option<u64>,
    /// How many there may be, or how many a second; bytes, and of `cpu` nanoseconds.
    pub limit: Option<u64>,
    /// How often it was reached.
    pub reached: u64,
}

impl Meter {
    /// The bounds that are set, and those that were reached.
    pub fn limits(&self) -> impl Iterator<Item = LimitUse> + use<'_> {
        let limits = BOUNDS.into_iter().map(|bound| LimitUse {
            bound,
            used: self.used(bound),
            limit: self.limit(bound),
            reached: self.reached.get(bound),
        });
        limits.filter(|limit| limit.limit.is_some() || limit.reached > 0)
    }

    /// How many there may be of something, or how many a second.
    pub fn limit(&self, bound: Bound) -> Option<u64> {
        let most = |most: usize| (most != UNBOUNDED).then_some(most as u64);
        match bound {
            Bound::ConnectionsPerAddress => most(self.addresses.most()),
            Bound::Keyvalue => most(self.keyvalue.load(Ordering::Relaxed)),
            bound => match self.level(bound) {
                Some(level) => most(level.most()),
                None => self.bucket(bound)?.rate(),
            },
        }
    }

    /// How many there are of something that is given back.
    pub fn used(&self, bound: Bound) -> Option<u64> {
        self.level(bound).map(|level| level.taken() as u64)
    }

    /// Whether it is what a meter measures, whatever bound there is.
    pub(super) const fn measures(&self, bound: Bound) -> bool {
        let is_counted = matches!(bound, Bound::ConnectionsPerAddress | Bound::Keyvalue);
        is_counted || self.level(bound).is_some() || self.bucket(bound).is_some()
    }

    pub(super) const fn level(&self, bound: Bound) -> Option<&Level> {
        match bound {
            Bound::Connections => Some(&self.connections),
            Bound::Instances => Some(&self.instances),
            Bound::Snapshots => Some(&self.snapshots),
            Bound::Memories => Some(&self.memories),
            Bound::Requests => Some(&self.requests),
            _ => None,
        }
    }

    pub(super) const fn bucket(&self, bound: Bound) -> Option<&Bucket> {
        match bound {
            Bound::Connects => Some(&self.connects),
            Bound::Cpu => Some(&self.cpu),
            Bound::FramesIn => Some(&self.inward.frames),
            Bound::BytesIn => Some(&self.inward.bytes),
            Bound::FramesOut => Some(&self.outward.frames),
            Bound::BytesOut => Some(&self.outward.bytes),
            _ => None,
        }
    }
}
