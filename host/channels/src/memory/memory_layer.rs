//! The channel layer of one process.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::memory_tenant::MemoryTenant;
use crate::{
    ChannelLayer, DecodeErrorCounts, Delivery, LayerError, LayerLimits, LayerQueue, LayerStatus,
    Mailbox, MaybeReady, QueueLoad, Recipient,
};
use narrowboat_core::message::Message;
use narrowboat_core::name::{ChannelName, GroupName, ProcessId, Tenant};

/// A channel layer within one process. Every operation is complete, and its result ready, when the call returns.
pub struct MemoryLayer {
    limits: Arc<LayerLimits>,
    process: ProcessId,
    /// Grows only with the tenants that the operator configured.
    tenants: RwLock<HashMap<Tenant, Arc<MemoryTenant>>>,
    dropped: AtomicU64,
}

impl MemoryLayer {
    /// Creates an empty layer. The limits apply to each tenant separately.
    #[must_use]
    pub fn new(limits: LayerLimits) -> Self {
        Self {
            limits: Arc::new(limits),
            process: ProcessId::random(),
            tenants: RwLock::default(),
            dropped: AtomicU64::new(0),
        }
    }

    pub(super) fn tenant(&self, tenant: &Tenant) -> Arc<MemoryTenant> {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = tenants.get(tenant) {
            return Arc::clone(found);
        }
        drop(tenants);
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        let created = tenants
            .entry(tenant.clone())
            .or_insert_with(|| MemoryTenant::new(Arc::clone(&self.limits)));
        Arc::clone(created)
    }
}

impl LayerQueue for MemoryLayer {
    fn check_room(&self, _pending: QueueLoad, len: usize) -> Result<(), LayerError> {
        self.limits.check_len(len)
    }

    fn status(&self) -> LayerStatus {
        LayerStatus {
            is_connected: true,
            dropped_count: self.dropped.load(Ordering::Relaxed),
            lost_count: 0,
            decode_errors: DecodeErrorCounts::default(),
            expired_count: 0,
            queued_count: 0,
            round_trip_times: None,
        }
    }
}

impl ChannelLayer for MemoryLayer {
    fn queue(&self) -> &dyn LayerQueue {
        self
    }

    fn new_channel<'a>(
        &'a self,
        tenant: &'a Tenant,
    ) -> MaybeReady<'a, Result<Mailbox, LayerError>> {
        MaybeReady::ready(self.tenant(tenant).open_channel(&ChannelName::unique(&self.process)))
    }

    fn open_channel<'a>(
        &'a self,
        tenant: &'a Tenant,
        channel: &'a ChannelName,
    ) -> MaybeReady<'a, Result<Mailbox, LayerError>> {
        MaybeReady::ready(self.tenant(tenant).open_channel(channel))
    }

    fn check_send(
        &self,
        tenant: &Tenant,
        channel: &ChannelName,
        pending: QueueLoad,
        len: usize,
    ) -> Result<(), LayerError> {
        self.limits.check_len(len)?;
        self.tenant(tenant).check_send(channel, pending, len)
    }

    fn fan_out(&self, tenant: &Tenant, group: &GroupName) -> usize {
        self.tenant(tenant).member_count(group)
    }

    fn send<'a>(
        &'a self,
        tenant: &'a Tenant,
        channel: &'a ChannelName,
        message: Message,
    ) -> MaybeReady<'a, Result<(), LayerError>> {
        let checked = self.limits.check_len(message.len());
        MaybeReady::ready(
            checked.and_then(|()| self.tenant(tenant).send(channel, Delivery::Message(message))),
        )
    }

    fn group_add<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> MaybeReady<'a, Result<(), LayerError>> {
        MaybeReady::ready(self.tenant(tenant).group_add(group, channel))
    }

    fn group_discard<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> MaybeReady<'a, Result<(), LayerError>> {
        self.tenant(tenant).group_discard(group, channel);
        MaybeReady::ready(Ok(()))
    }

    fn deliver_to_group<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        delivery: Delivery,
    ) -> MaybeReady<'a, Result<(), LayerError>> {
        MaybeReady::ready(self.limits.check_len(delivery.len()).map(|()| {
            let dropped = self.tenant(tenant).group_send(group, &delivery);
            self.dropped.fetch_add(dropped, Ordering::Relaxed);
        }))
    }

    fn receiver_count<'a>(
        &'a self,
        tenant: &'a Tenant,
        to: Recipient<'a>,
    ) -> MaybeReady<'a, Result<Option<u64>, LayerError>> {
        let tenant = self.tenant(tenant);
        MaybeReady::ready(Ok(Some(match to {
            Recipient::Group(group) => tenant.member_count(group) as u64,
            Recipient::Channel(channel) => u64::from(tenant.has_reader(channel)),
        })))
    }

    fn flush<'a>(&'a self, tenant: &'a Tenant) -> MaybeReady<'a, Result<(), LayerError>> {
        self.tenant(tenant).flush();
        MaybeReady::ready(Ok(()))
    }

    /// Always acquires the lease: no other process has this layer.
    fn try_acquire_lease<'a>(
        &'a self,
        _tenant: &'a Tenant,
        _name: &'a ChannelName,
        _period: Duration,
    ) -> MaybeReady<'a, Result<bool, LayerError>> {
        MaybeReady::ready(Ok(true))
    }
}

impl fmt::Debug for MemoryLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLayer")
            .field("limits", &self.limits)
            .field("process", &self.process)
            .finish_non_exhaustive()
    }
}
