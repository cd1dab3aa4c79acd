//! The layer of one process, in its memory.
//!
//! Locks are taken in one order only: a shard of groups, a group, a shard of channels, a channel, a table of
//! deadlines. A group is never taken with a shard of channels; whatever has to go the other way, from a channel to its
//! groups, lets go of the channel first. No lock is held where a task is woken.

mod budget;
mod channel;
mod deadlines;
mod group;
mod memberships;
mod shards;
mod world;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::runtime::Handle;

use self::world::World;
use super::{
    Answer, ChannelLayer, Delivery, ForeignCounts, LayerError, LayerLimits, LayerStatus, Mailbox,
    Pending, Receiver,
};
use narrowboat_core::frame::Frame;
use narrowboat_core::message::Message;
use narrowboat_core::name::{ChannelName, GroupName, ProcessId, Tenant};

/// What a delivery to a channel without a reader counts beside its payload, in bytes: about what the channel and the
/// queue cost that one small message brings into being.
pub const UNREAD_OVERHEAD: usize = 512;

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
    worlds: RwLock<HashMap<Tenant, Arc<World>>>,
    dropped: AtomicU64,
}

impl MemoryLayer {
    /// An empty layer. The limits hold for each tenant on its own.
    #[must_use]
    pub fn new(limits: LayerLimits) -> Self {
        Self {
            limits: Arc::new(limits),
            process: ProcessId::random(),
            worlds: RwLock::default(),
            dropped: AtomicU64::new(0),
        }
    }

    fn world(&self, tenant: &Tenant) -> Arc<World> {
        let worlds = self.worlds.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(world) = worlds.get(tenant) {
            return Arc::clone(world);
        }
        drop(worlds);
        let mut worlds = self.worlds.write().unwrap_or_else(PoisonError::into_inner);
        let world =
            worlds.entry(tenant.clone()).or_insert_with(|| World::new(Arc::clone(&self.limits)));
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
        self.world(tenant).send(channel, delivery)
    }

    fn deliver_to_group(
        &self,
        tenant: &Tenant,
        group: &GroupName,
        delivery: &Delivery,
    ) -> Result<(), LayerError> {
        self.check_len(delivery.len())?;
        let dropped = self.world(tenant).group_send(group, delivery);
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
        Ok(())
    }
}

impl ChannelLayer for MemoryLayer {
    fn start(&self, _runtime: &Handle) {}

    fn new_channel<'a>(&'a self, tenant: &'a Tenant) -> Answer<'a, Result<Mailbox, LayerError>> {
        Answer::ready(self.world(tenant).open(&ChannelName::unique(&self.process)))
    }

    fn open<'a>(
        &'a self,
        tenant: &'a Tenant,
        channel: &'a ChannelName,
    ) -> Answer<'a, Result<Mailbox, LayerError>> {
        Answer::ready(self.world(tenant).open(channel))
    }

    fn probe(
        &self,
        tenant: &Tenant,
        channel: &ChannelName,
        pending: Pending,
        len: usize,
    ) -> Result<(), LayerError> {
        self.check_len(len)?;
        self.world(tenant).probe(channel, pending, len)
    }

    fn probe_group(
        &self,
        _tenant: &Tenant,
        _pending: Pending,
        len: usize,
    ) -> Result<(), LayerError> {
        self.check_len(len)
    }

    fn fan_out(&self, tenant: &Tenant, group: &GroupName) -> usize {
        self.world(tenant).members(group)
    }

    fn send<'a>(
        &'a self,
        tenant: &'a Tenant,
        channel: &'a ChannelName,
        message: Message,
    ) -> Answer<'a, Result<(), LayerError>> {
        Answer::ready(self.deliver(tenant, channel, Delivery::Message(message)))
    }

    fn group_add<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> Answer<'a, Result<(), LayerError>> {
        Answer::ready(self.world(tenant).group_add(group, channel))
    }

    fn group_discard<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> Answer<'a, Result<(), LayerError>> {
        self.world(tenant).group_discard(group, channel);
        Answer::ready(Ok(()))
    }

    fn group_send<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        message: Message,
    ) -> Answer<'a, Result<(), LayerError>> {
        Answer::ready(self.deliver_to_group(tenant, group, &Delivery::Message(message)))
    }

    fn group_send_frame<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        frame: Frame,
    ) -> Answer<'a, Result<(), LayerError>> {
        Answer::ready(self.deliver_to_group(tenant, group, &Delivery::Frame(frame)))
    }

    fn receivers<'a>(
        &'a self,
        tenant: &'a Tenant,
        to: Receiver<'a>,
    ) -> Answer<'a, Result<Option<u64>, LayerError>> {
        let world = self.world(tenant);
        Answer::ready(Ok(Some(match to {
            Receiver::Group(group) => world.members(group) as u64,
            Receiver::Channel(channel) => u64::from(world.is_read(channel)),
        })))
    }

    fn flush<'a>(&'a self, tenant: &'a Tenant) -> Answer<'a, Result<(), LayerError>> {
        self.world(tenant).flush();
        Answer::ready(Ok(()))
    }

    fn claim<'a>(
        &'a self,
        _tenant: &'a Tenant,
        _name: &'a ChannelName,
        _period: Duration,
    ) -> Answer<'a, Result<bool, LayerError>> {
        Answer::ready(Ok(true))
    }

    fn confirm(&self) -> Answer<'_, Result<(), LayerError>> {
        Answer::ready(Ok(()))
    }

    fn carried(&self) -> Answer<'_, Result<(), LayerError>> {
        Answer::ready(Ok(()))
    }

    fn status(&self) -> LayerStatus {
        LayerStatus {
            connected: true,
            dropped: self.dropped.load(Ordering::Relaxed),
            lost: 0,
            foreign: ForeignCounts::default(),
            expired: 0,
            waiting: 0,
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
