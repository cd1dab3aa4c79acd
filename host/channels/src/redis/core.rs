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

use super::base::{Base, Worlds, announce, is_local};
use super::check::Evictions;
use super::clock::Clock;
use super::keys::Keys;
use super::op::{GroupSend, Membership, Op};
use super::pipeline;
use super::reader::{self, NamedReader};
use super::wire::Codec;
use crate::local::{Closing, Left, Local};
use crate::{Delivery, LayerError, LayerLimits, Mailbox};
use narrowboat_config::RedisConfig;
use narrowboat_core::name::{ChannelName, GroupName, ProcessId, Tenant};
use narrowboat_redis_client::ErrorClass;

/// How much longer than `expiry` an encrypted message may be under way, as channels_redis allows.
const TOKEN_GRACE: Duration = Duration::from_secs(10);

/// What the layer's tasks share.
pub(super) struct Core {
    pub(super) base: Base<Op>,
    pub(super) clock: Clock,
    prefix: String,
    pub(super) process: ProcessId,
    worlds: Worlds<World>,
    /// Of each server.
    pub(super) evictions: Vec<Evictions>,
    /// Whether the memberships of the open channels are to be written, since one found no room at all.
    pub(super) resync: AtomicBool,
    /// Counts up when readers are to connect anew.
    restarts: watch::Sender<u64>,
    /// A reader lost its connection: the others may be gone too.
    pub(super) suspicion: Notify,
    own: Weak<Self>,
}

/// One tenant's channels.
pub(super) struct World {
    pub(super) tenant: Tenant,
    pub(super) keys: Keys,
    pub(super) local: Arc<Local>,
    /// Whether the process's own key is read.
    is_read: AtomicBool,
    /// Readers of keys other than the process's own. That of a named channel stays when the channel is closed, for
    /// the next to follow it; hosts open as many of those as are configured.
    readers: Mutex<HashMap<String, PlaceReader>>,
}

pub(super) enum PlaceReader {
    Named(Arc<NamedReader>),
    /// Of channels with a `!`, of which so many are open.
    Shared(AbortHandle, usize),
}

impl Core {
    /// A layer's, which begins to connect when it is [started](Self::start).
    pub(super) fn new(name: &str, config: &RedisConfig, limits: LayerLimits) -> Arc<Self> {
        let codec = Codec::new(
            config,
            config.random_prefix_length,
            Some(limits.expiry + TOKEN_GRACE),
            limits.message_bytes,
        );
        Arc::new_cyclic(|own| Self {
            base: Base::new(name, config, limits, codec),
            clock: Clock::default(),
            prefix: config.prefix.clone(),
            process: ProcessId::random(),
            worlds: Worlds::default(),
            evictions: config.hosts.iter().map(|_| Evictions::default()).collect(),
            resync: AtomicBool::new(false),
            restarts: watch::Sender::new(0),
            suspicion: Notify::new(),
            own: Weak::clone(own),
        })
    }

    /// Starts its tasks, once.
    pub(super) fn start(self: &Arc<Self>, runtime: &Handle) {
        if !self.base.start(runtime) {
            return;
        }
        self.base.spawn(pipeline::run(Arc::clone(self)));
        let weak = Arc::downgrade(self);
        let worlds = move || {
            let worlds = weak.upgrade().map(|core| core.worlds()).unwrap_or_default();
            worlds.iter().map(|world| Arc::clone(&world.local)).collect()
        };
        let connected = self.base.health.watch();
        self.base.spawn(announce(connected, worlds, self.base.limits.expiry));
        for world in self.worlds() {
            self.read_own(&world);
        }
        // So that its connections stand before the first socket does.
        self.world(&Tenant::default_tenant());
    }

    pub(super) fn world(&self, tenant: &Tenant) -> Arc<World> {
        let make = || {
            let local = Local::new(tenant.clone(), Arc::clone(&self.base.limits));
            local.on_close(Weak::<Self>::clone(&self.own));
            World {
                tenant: tenant.clone(),
                keys: Keys::new(&self.prefix, tenant, self.base.servers.len()),
                local,
                is_read: AtomicBool::new(false),
                readers: Mutex::default(),
            }
        };
        self.worlds.get(tenant, make, |world| self.read_own(world))
    }

    /// Readers of named channels whose mailboxes were dropped.
    pub(super) fn closed_readers(&self) -> Vec<Arc<NamedReader>> {
        let mut closed = Vec::new();
        for world in self.worlds() {
            let readers = world.readers.lock().unwrap_or_else(PoisonError::into_inner);
            closed.extend(readers.values().filter_map(|reader| match reader {
                PlaceReader::Named(reader) if reader.is_closed() => Some(Arc::clone(reader)),
                _ => None,
            }));
        }
        closed
    }

    pub(super) fn worlds(&self) -> Vec<Arc<World>> {
        self.worlds.all()
    }

    /// The part of this process's unique names up to the `!`.
    pub(super) fn own_place(&self) -> String {
        format!("specific.{}!", self.process)
    }

    /// Reads the process's own key on every host: channels_redis sends to it on one host directly, and on another
    /// through a group.
    fn read_own(&self, world: &Arc<World>) {
        // Two tasks that read one key would tear the order of what is in it.
        if !self.base.is_started() || world.is_read.swap(true, Ordering::SeqCst) {
            return;
        }
        let Some(core) = self.own.upgrade() else { return };
        for shard in 0..self.base.servers.len() {
            let (core, world) = (Arc::clone(&core), Arc::clone(world));
            let place = self.own_place();
            self.base.spawn(reader::run(core, world, place, shard));
        }
    }

    pub(super) fn restarts(&self) -> watch::Receiver<u64> {
        self.restarts.subscribe()
    }

    pub(super) fn restart_readers(&self) {
        self.restarts.send_modify(|count| *count += 1);
    }

    /// Seconds that a message key lasts.
    pub(super) fn message_seconds(&self) -> u64 {
        whole_seconds(self.base.limits.expiry)
    }

    /// Seconds that a group key lasts.
    pub(super) fn group_seconds(&self) -> u64 {
        whole_seconds(self.base.limits.group_expiry)
    }

    /// Redis answered with an error to something that others of its kind may get through with.
    pub(super) fn refused(&self, what: &str, error: &ServerError) {
        self.base.health.complain(format_args!("Redis refused {what}: {error}"));
        if ErrorClass::of_reply(error) != ErrorClass::Key {
            self.suspicion.notify_one();
        }
    }

    /// Begins a membership of a channel that is open here, or of a name. Not being written at once is no error.
    pub(super) fn join(&self, world: Arc<World>, group: &GroupName, channel: &ChannelName) {
        let is_own = channel.is_unique() && world.local.is_member(group, channel);
        self.membership(world, group, channel, (true, is_own));
    }

    /// Ends a membership.
    pub(super) fn leave(&self, world: Arc<World>, group: &GroupName, channel: &ChannelName) {
        self.membership(world, group, channel, (false, false));
    }

    fn membership(
        &self,
        world: Arc<World>,
        group: &GroupName,
        channel: &ChannelName,
        (begins, is_own): (bool, bool),
    ) {
        if is_local(group) {
            return;
        }
        let (group, channel) = (group.clone(), channel.clone());
        let membership = Membership { world, group, channel, begins, is_own };
        if let Err(Op::Membership(Membership { group, channel, begins, .. })) =
            self.base.queue.push(Op::Membership(membership))
        {
            if begins && is_own {
                self.resync.store(true, Ordering::Relaxed);
                return;
            }
            let what = if begins { "does not begin" } else { "lasts until it expires" };
            self.base.health.complain(format_args!(
                "too many memberships wait for Redis: that of {channel} in {group} {what}"
            ));
        }
    }

    pub(super) fn group_deliver(
        &self,
        tenant: &Tenant,
        group: &GroupName,
        delivery: Delivery,
    ) -> Result<(), LayerError> {
        self.base.check_len(delivery.len())?;
        let (world, group, at) = (self.world(tenant), group.clone(), Instant::now());
        self.base.push_message(Op::GroupSend(GroupSend { world, group, delivery, at }))
    }

    /// Opens a channel, and reads its key if that is not read already.
    pub(super) fn open(
        &self,
        world: &Arc<World>,
        channel: &ChannelName,
    ) -> Result<Mailbox, LayerError> {
        let place = channel.place();
        if place == self.own_place() {
            return world.local.open(channel, None);
        }
        let Some(core) = self.own.upgrade() else { return Err(self.base.away()) };
        let mut readers = world.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if !channel.is_unique() {
            let before = match readers.get(place) {
                Some(PlaceReader::Named(reader)) => Some(&**reader),
                _ => None,
            };
            let reader = Arc::new(NamedReader::after(before));
            let mailbox = world.local.open(channel, Some(Arc::clone(&reader.drained)))?;
            let (world, name) = (Arc::clone(world), channel.clone());
            self.base.spawn(reader::run_named(core, world, name, Arc::clone(&reader)));
            readers.insert(place.to_owned(), PlaceReader::Named(reader));
            return Ok(mailbox);
        }
        let mailbox = world.local.open(channel, None)?;
        match readers.get_mut(place) {
            Some(PlaceReader::Shared(_, open)) => *open += 1,
            _ => {
                let shard = world.keys.shard(place);
                let read = reader::run(core, Arc::clone(world), place.to_owned(), shard);
                if let Some(task) = self.base.spawn(read) {
                    readers.insert(place.to_owned(), PlaceReader::Shared(task, 1));
                }
            }
        }
        Ok(mailbox)
    }
}

fn whole_seconds(span: Duration) -> u64 {
    span.as_secs().saturating_add(u64::from(span.subsec_nanos() > 0)).max(1)
}

impl Closing for Core {
    fn closed(&self, tenant: &Tenant, channel: &ChannelName, groups: Vec<GroupName>, left: Left) {
        let world = self.world(tenant);
        let place = channel.place();
        let mut readers = world.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut named = None;
        match readers.get_mut(place) {
            Some(PlaceReader::Named(reader)) => {
                named = Some(Arc::clone(reader));
                if let Some(number) = reader.close() {
                    let shard = world.keys.shard(place);
                    let _ = self.base.queue.push(Op::Unblock(shard, number));
                }
            }
            Some(PlaceReader::Shared(task, open)) => {
                *open -= 1;
                if *open == 0 {
                    task.abort();
                    readers.remove(place);
                }
            }
            None => {}
        }
        drop(readers);
        if channel.is_unique() {
            for group in groups {
                self.leave(Arc::clone(&world), &group, channel);
            }
        } else if let Some(reader) = named {
            self.put_back_left(&world, channel, &reader, left);
        }
    }
}
