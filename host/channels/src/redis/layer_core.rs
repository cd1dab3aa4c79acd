//! What the tasks of the layer share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use redis::ServerError;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::health_check::EvictionCounter;
use super::layer_base::{
    LayerTenants, RedisLayerBase, announce_connection_changes, is_process_local_group,
};
use super::pipeline;
use super::reader::{self, NamedChannelReader};
use super::redis_keys::RedisKeys;
use super::redis_op::{GroupSend, MembershipChange, RedisOp};
use super::score_clock::ScoreClock;
use super::wire::Codec;
use crate::process_channels::{CloseListener, ProcessChannels, UnreadDeliveries};
use crate::{Delivery, LayerError, LayerLimits, Mailbox};
use narrowboat_config::RedisConfig;
use narrowboat_core::name::{ChannelName, GroupName, ProcessId, Tenant};
use narrowboat_redis_client::ErrorClass;

/// How much longer than `expiry` an encrypted message may be under way, as channels_redis allows.
const TOKEN_AGE_GRACE: Duration = Duration::from_secs(10);

/// What the layer's tasks share.
pub(super) struct RedisLayerCore {
    pub(super) base: RedisLayerBase<RedisOp>,
    pub(super) clock: ScoreClock,
    prefix: String,
    pub(super) process: ProcessId,
    tenants: LayerTenants<RedisTenant>,
    /// Of each server.
    pub(super) evictions: Vec<EvictionCounter>,
    /// Whether the memberships of the open channels are to be written, since one found no room at all.
    pub(super) resync_needed: AtomicBool,
    /// Counts up when readers are to connect anew.
    restarts: watch::Sender<u64>,
    /// A reader lost its connection: the others may be gone too.
    pub(super) self_test_requested: Notify,
    weak_self: Weak<Self>,
}

/// One tenant's channels.
pub(super) struct RedisTenant {
    pub(super) tenant: Tenant,
    pub(super) keys: RedisKeys,
    pub(super) local: Arc<ProcessChannels>,
    /// Whether the process's own key is read.
    is_own_key_read: AtomicBool,
    /// Readers of keys other than the process's own. That of a named channel stays when the channel is closed, for
    /// the next to follow it; hosts open as many of those as are configured.
    readers: Mutex<HashMap<String, KeyReader>>,
}

pub(super) enum KeyReader {
    Named(Arc<NamedChannelReader>),
    /// Of channels with a `!`, of which so many are open.
    Shared(AbortHandle, usize),
}

impl RedisLayerCore {
    /// A layer's, which begins to connect when it is [started](Self::start).
    pub(super) fn new(name: &str, config: &RedisConfig, limits: LayerLimits) -> Arc<Self> {
        let codec = Codec::new(
            config,
            config.random_prefix_length,
            Some(limits.expiry + TOKEN_AGE_GRACE),
            limits.message_bytes,
        );
        Arc::new_cyclic(|own| Self {
            base: RedisLayerBase::new(name, config, limits, codec),
            clock: ScoreClock::default(),
            prefix: config.prefix.clone(),
            process: ProcessId::random(),
            tenants: LayerTenants::default(),
            evictions: config.hosts.iter().map(|_| EvictionCounter::default()).collect(),
            resync_needed: AtomicBool::new(false),
            restarts: watch::Sender::new(0),
            self_test_requested: Notify::new(),
            weak_self: Weak::clone(own),
        })
    }

    /// Starts its tasks, once.
    pub(super) fn start(self: &Arc<Self>, runtime: &Handle) {
        if !self.base.set_runtime(runtime) {
            return;
        }
        self.base.spawn(pipeline::run_pipeline(Arc::clone(self)));
        let weak = Arc::downgrade(self);
        let worlds = move || {
            let worlds = weak.upgrade().map(|core| core.tenants()).unwrap_or_default();
            worlds.iter().map(|world| Arc::clone(&world.local)).collect()
        };
        let connected = self.base.health.subscribe_connected();
        self.base.spawn(announce_connection_changes(connected, worlds, self.base.limits.expiry));
        for world in self.tenants() {
            self.spawn_own_key_readers(&world);
        }
        // So that its connections stand before the first socket does.
        self.tenant(&Tenant::default_tenant());
    }

    pub(super) fn tenant(&self, tenant: &Tenant) -> Arc<RedisTenant> {
        let make = || {
            let local = ProcessChannels::new(tenant.clone(), Arc::clone(&self.base.limits));
            local.set_close_listener(Weak::<Self>::clone(&self.weak_self));
            RedisTenant {
                tenant: tenant.clone(),
                keys: RedisKeys::new(&self.prefix, tenant, self.base.servers.len()),
                local,
                is_own_key_read: AtomicBool::new(false),
                readers: Mutex::default(),
            }
        };
        self.tenants.get_or_create(tenant, make, |world| self.spawn_own_key_readers(world))
    }

    /// Readers of named channels whose mailboxes were dropped.
    pub(super) fn closed_readers(&self) -> Vec<Arc<NamedChannelReader>> {
        let mut closed = Vec::new();
        for world in self.tenants() {
            let readers = world.readers.lock().unwrap_or_else(PoisonError::into_inner);
            closed.extend(readers.values().filter_map(|reader| match reader {
                KeyReader::Named(reader) if reader.is_closed() => Some(Arc::clone(reader)),
                _ => None,
            }));
        }
        closed
    }

    pub(super) fn tenants(&self) -> Vec<Arc<RedisTenant>> {
        self.tenants.all()
    }

    /// The part of this process's unique names up to the `!`.
    pub(super) fn own_prefix(&self) -> String {
        format!("specific.{}!", self.process)
    }

    /// Reads the process's own key on every host: channels_redis sends to it on one host directly, and on another
    /// through a group.
    fn spawn_own_key_readers(&self, world: &Arc<RedisTenant>) {
        // Two tasks that read one key would tear the order of what is in it.
        if !self.base.is_started() || world.is_own_key_read.swap(true, Ordering::SeqCst) {
            return;
        }
        let Some(core) = self.weak_self.upgrade() else { return };
        for shard in 0..self.base.servers.len() {
            let (core, world) = (Arc::clone(&core), Arc::clone(world));
            let place = self.own_prefix();
            self.base.spawn(reader::run_key_reader(core, world, place, shard));
        }
    }

    pub(super) fn subscribe_restarts(&self) -> watch::Receiver<u64> {
        self.restarts.subscribe()
    }

    pub(super) fn restart_readers(&self) {
        self.restarts.send_modify(|count| *count += 1);
    }

    /// Seconds that a message key lasts.
    pub(super) fn message_seconds(&self) -> u64 {
        round_up_seconds(self.base.limits.expiry)
    }

    /// Seconds that a group key lasts.
    pub(super) fn group_seconds(&self) -> u64 {
        round_up_seconds(self.base.limits.group_expiry)
    }

    /// Redis answered with an error to something that others of its kind may get through with.
    pub(super) fn report_refused(&self, what: &str, error: &ServerError) {
        self.base.health.complain(format_args!("Redis refused {what}: {error}"));
        if ErrorClass::of_reply(error) != ErrorClass::Key {
            self.self_test_requested.notify_one();
        }
    }

    /// Begins a membership of a channel that is open here, or of a name. Not being written at once is no error.
    pub(super) fn queue_group_add(
        &self,
        world: Arc<RedisTenant>,
        group: &GroupName,
        channel: &ChannelName,
    ) {
        let is_own = channel.is_process_local() && world.local.is_member(group, channel);
        self.queue_membership_change(world, group, channel, (true, is_own));
    }

    /// Ends a membership.
    pub(super) fn queue_group_discard(
        &self,
        world: Arc<RedisTenant>,
        group: &GroupName,
        channel: &ChannelName,
    ) {
        self.queue_membership_change(world, group, channel, (false, false));
    }

    fn queue_membership_change(
        &self,
        world: Arc<RedisTenant>,
        group: &GroupName,
        channel: &ChannelName,
        (begins, is_own): (bool, bool),
    ) {
        if is_process_local_group(group) {
            return;
        }
        let (group, channel) = (group.clone(), channel.clone());
        let membership = MembershipChange { tenant: world, group, channel, is_add: begins, is_own };
        if let Err(RedisOp::ChangeMembership(MembershipChange {
            group,
            channel,
            is_add: begins,
            ..
        })) = self.base.queue.push(RedisOp::ChangeMembership(membership))
        {
            if begins && is_own {
                self.resync_needed.store(true, Ordering::Relaxed);
                return;
            }
            let what = if begins { "does not begin" } else { "lasts until it expires" };
            self.base.health.complain(format_args!(
                "too many memberships wait for Redis: that of {channel} in {group} {what}"
            ));
        }
    }

    pub(super) fn send_to_group(
        &self,
        tenant: &Tenant,
        group: &GroupName,
        delivery: Delivery,
    ) -> Result<(), LayerError> {
        self.base.check_len(delivery.len())?;
        let (world, group, at) = (self.tenant(tenant), group.clone(), Instant::now());
        self.base.push_message(RedisOp::GroupSend(GroupSend { tenant: world, group, delivery, at }))
    }

    /// Opens a channel, and reads its key if that is not read already.
    pub(super) fn open_channel(
        &self,
        world: &Arc<RedisTenant>,
        channel: &ChannelName,
    ) -> Result<Mailbox, LayerError> {
        let place = channel.prefix();
        if place == self.own_prefix() {
            return world.local.open_channel(channel, None);
        }
        let Some(core) = self.weak_self.upgrade() else {
            return Err(self.base.unavailable_error());
        };
        let mut readers = world.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if !channel.is_process_local() {
            let before = match readers.get(place) {
                Some(KeyReader::Named(reader)) => Some(&**reader),
                _ => None,
            };
            let reader = Arc::new(NamedChannelReader::new_after(before));
            let mailbox =
                world.local.open_channel(channel, Some(Arc::clone(&reader.drained_notify)))?;
            let (world, name) = (Arc::clone(world), channel.clone());
            self.base.spawn(reader::run_named(core, world, name, Arc::clone(&reader)));
            readers.insert(place.to_owned(), KeyReader::Named(reader));
            return Ok(mailbox);
        }
        let mailbox = world.local.open_channel(channel, None)?;
        match readers.get_mut(place) {
            Some(KeyReader::Shared(_, open)) => *open += 1,
            _ => {
                let shard = world.keys.shard(place);
                let read = reader::run_key_reader(core, Arc::clone(world), place.to_owned(), shard);
                if let Some(task) = self.base.spawn(read) {
                    readers.insert(place.to_owned(), KeyReader::Shared(task, 1));
                }
            }
        }
        Ok(mailbox)
    }
}

fn round_up_seconds(span: Duration) -> u64 {
    span.as_secs().saturating_add(u64::from(span.subsec_nanos() > 0)).max(1)
}

impl CloseListener for RedisLayerCore {
    fn on_channel_closed(
        &self,
        tenant: &Tenant,
        channel: &ChannelName,
        groups: Vec<GroupName>,
        left: UnreadDeliveries,
    ) {
        let world = self.tenant(tenant);
        let place = channel.prefix();
        let mut readers = world.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut named = None;
        match readers.get_mut(place) {
            Some(KeyReader::Named(reader)) => {
                named = Some(Arc::clone(reader));
                if let Some(number) = reader.close() {
                    let shard = world.keys.shard(place);
                    let _ = self.base.queue.push(RedisOp::Unblock(shard, number));
                }
            }
            Some(KeyReader::Shared(task, open)) => {
                *open -= 1;
                if *open == 0 {
                    task.abort();
                    readers.remove(place);
                }
            }
            None => {}
        }
        drop(readers);
        if channel.is_process_local() {
            for group in groups {
                self.queue_group_discard(Arc::clone(&world), &group, channel);
            }
        } else if let Some(reader) = named {
            self.requeue_unread(&world, channel, &reader, left);
        }
    }
}
