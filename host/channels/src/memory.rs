//! The layer of one process, in its memory.
//!
//! Locks are taken in one order only: a shard of groups, a group, a shard of channels, a channel, a table of
//! deadlines. A group is never taken with a shard of channels; whatever has to go the other way, from a channel to its
//! groups, lets go of the channel first. No lock is held where a task is woken.

mod capped_counter;
mod deadline_queue;
mod memberships;
mod memory_channel;
mod memory_group;
mod sharded_set;
mod tenant;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::runtime::Handle;

use self::tenant::MemoryTenant;
use super::{
    ChannelLayer, DecodeErrorCounts, Delivery, LayerError, LayerLimits, LayerStatus, Mailbox,
    MaybeReady, QueueLoad, Recipient,
};
use narrowboat_core::frame::Frame;
use narrowboat_core::message::Message;
use narrowboat_core::name::{ChannelName, GroupName, ProcessId, Tenant};

/// What a delivery to a channel without a reader counts beside its payload, in bytes: about what the channel and the
/// queue cost that one small message brings into being.
pub const UNREAD_OVERHEAD_BYTES: usize = 512;

/// The guarded value, also after another thread panicked with it: no operation here leaves a value half changed where
/// it could panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A channel layer within one process. Every operation is done, and its answer there, when the call returns, awaited
/// or not.
pub struct MemoryLayer {
    limits: Arc<LayerLimits>,
    process: ProcessId,
    /// Grows with the tenants that the operator configured, and with nothing else.
    tenants: RwLock<HashMap<Tenant, Arc<MemoryTenant>>>,
    dropped: AtomicU64,
}

impl MemoryLayer {
    /// An empty layer. The limits hold for each tenant on its own.
    #[must_use]
    pub fn new(limits: LayerLimits) -> Self {
        Self {
            limits: Arc::new(limits),
            process: ProcessId::random(),
            tenants: RwLock::default(),
            dropped: AtomicU64::new(0),
        }
    }

    fn tenant(&self, tenant: &Tenant) -> Arc<MemoryTenant> {
        let worlds = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(world) = worlds.get(tenant) {
            return Arc::clone(world);
        }
        drop(worlds);
        let mut worlds = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        let world = worlds
            .entry(tenant.clone())
            .or_insert_with(|| MemoryTenant::new(Arc::clone(&self.limits)));
        Arc::clone(world)
    }

    fn check_len(&self, len: usize) -> Result<(), LayerError> {
        let limit = self.limits.message_bytes;
        if len > limit { Err(LayerError::TooLarge { len, limit }) } else { Ok(()) }
    }

    fn deliver(
        &self,
        tenant: &Tenant,
        channel: &ChannelName,
        delivery: Delivery,
    ) -> Result<(), LayerError> {
        self.check_len(delivery.len())?;
        self.tenant(tenant).send(channel, delivery)
    }

    fn deliver_to_group(
        &self,
        tenant: &Tenant,
        group: &GroupName,
        delivery: &Delivery,
    ) -> Result<(), LayerError> {
        self.check_len(delivery.len())?;
        let dropped = self.tenant(tenant).group_send(group, delivery);
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
        Ok(())
    }
}

impl ChannelLayer for MemoryLayer {
    fn start(&self, _runtime: &Handle) {}

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
        self.check_len(len)?;
        self.tenant(tenant).check_send(channel, pending, len)
    }

    fn check_group_send(
        &self,
        _tenant: &Tenant,
        _pending: QueueLoad,
        len: usize,
    ) -> Result<(), LayerError> {
        self.check_len(len)
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
        MaybeReady::ready(self.deliver(tenant, channel, Delivery::Message(message)))
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

    fn group_send<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        message: Message,
    ) -> MaybeReady<'a, Result<(), LayerError>> {
        MaybeReady::ready(self.deliver_to_group(tenant, group, &Delivery::Message(message)))
    }

    fn group_send_frame<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        frame: Frame,
    ) -> MaybeReady<'a, Result<(), LayerError>> {
        MaybeReady::ready(self.deliver_to_group(tenant, group, &Delivery::Frame(frame)))
    }

    fn receiver_count<'a>(
        &'a self,
        tenant: &'a Tenant,
        to: Recipient<'a>,
    ) -> MaybeReady<'a, Result<Option<u64>, LayerError>> {
        let world = self.tenant(tenant);
        MaybeReady::ready(Ok(Some(match to {
            Recipient::Group(group) => world.member_count(group) as u64,
            Recipient::Channel(channel) => u64::from(world.has_reader(channel)),
        })))
    }

    fn flush<'a>(&'a self, tenant: &'a Tenant) -> MaybeReady<'a, Result<(), LayerError>> {
        self.tenant(tenant).flush();
        MaybeReady::ready(Ok(()))
    }

    fn claim<'a>(
        &'a self,
        _tenant: &'a Tenant,
        _name: &'a ChannelName,
        _period: Duration,
    ) -> MaybeReady<'a, Result<bool, LayerError>> {
        MaybeReady::ready(Ok(true))
    }

    fn wait_for_memberships(&self) -> MaybeReady<'_, Result<(), LayerError>> {
        MaybeReady::ready(Ok(()))
    }

    fn wait_until_sent(&self) -> MaybeReady<'_, Result<(), LayerError>> {
        MaybeReady::ready(Ok(()))
    }

    fn status(&self) -> LayerStatus {
        LayerStatus {
            connected: true,
            dropped_count: self.dropped.load(Ordering::Relaxed),
            lost: 0,
            decode_errors: DecodeErrorCounts::default(),
            expired_count: 0,
            queued_count: 0,
            round_trips: None,
        }
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

#[cfg(test)]
mod tests;
