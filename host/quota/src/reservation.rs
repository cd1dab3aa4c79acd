//! Reservations of resources.

use std::sync::Arc;

use narrowboat_sync::GaugeLimit;

use crate::limit_kind::LimitKind;
use crate::quota_chain::QuotaChain;
use crate::quota_resource::QuotaResource;

/// An amount of a resource that counts at every node of a quota chain until it is dropped.
#[derive(Debug)]
pub struct Reservation {
    quota: Arc<QuotaChain>,
    resource: QuotaResource,
    count: usize,
}

impl QuotaChain {
    /// Reserves `count` of a resource.
    ///
    /// # Errors
    /// The limit of the resource if a node has less left; nothing is reserved then.
    pub fn try_reserve(
        self: &Arc<Self>,
        resource: QuotaResource,
        count: usize,
    ) -> Result<Reservation, LimitKind> {
        let mut reservation = self.empty_reservation(resource);
        reservation.try_grow(count)?;
        Ok(reservation)
    }

    /// Reserves `count` of a resource even if that exceeds a limit.
    pub fn reserve_unchecked(
        self: &Arc<Self>,
        resource: QuotaResource,
        count: usize,
    ) -> Reservation {
        for gauge in self.gauges(|node| node.resource_gauge(resource)) {
            gauge.add_unchecked(count);
        }
        Reservation { quota: Arc::clone(self), resource, count }
    }

    /// Creates an empty reservation of a resource.
    pub fn empty_reservation(self: &Arc<Self>, resource: QuotaResource) -> Reservation {
        Reservation { quota: Arc::clone(self), resource, count: 0 }
    }
}

impl Reservation {
    /// The amount that is reserved.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Reserves `count` more.
    ///
    /// # Errors
    /// As [`QuotaChain::try_reserve`]; the reservation stays as it was then.
    pub fn try_grow(&mut self, count: usize) -> Result<(), LimitKind> {
        // A limit that was lowered below the usage would refuse even zero.
        if count == 0 {
            return Ok(());
        }
        let gauges = self.quota.gauges(|node| node.resource_gauge(self.resource));
        if let Err(index) = GaugeLimit::try_acquire_all(gauges, count) {
            let kind = self.resource.limit_kind();
            self.quota.record_limit_hit_at(index, kind);
            return Err(kind);
        }
        self.count += count;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        for node in &self.quota.nodes {
            node.resource_gauge(self.resource).release(self.count);
        }
    }
}
