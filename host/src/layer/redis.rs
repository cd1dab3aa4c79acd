//! The layer of many processes, in Redis's sorted sets: channels_redis's `RedisChannelLayer`, byte for byte.
//!
//! What is asked for goes through one [queue](queue), in order, and leaves in batches by one [task](pipeline); what is
//! for this process's channels is read by one [reader] a key, which puts it into mailboxes kept [here](super::local).

mod clock;
mod flush;
pub(super) mod health;
pub(super) mod keys;
mod members;
mod op;
pub(super) mod pipeline;
pub(super) mod queue;
mod reader;
mod scripts;
pub(super) mod server;
pub(super) mod stage;
pub(super) mod wire;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::AbortHandle;

use self::clock::Clock;
use self::health::Health;
use self::keys::Keys;
use self::op::{GroupSend, Membership, Op, Overdue, Put};
use self::queue::Queue;
use self::reader::NamedReader;
use self::server::Server;
use self::wire::{Codec, To};
use super::local::{Closing, Left, Local};
use super::{
    Answer, ChannelLayer, Delivery, LAYER_EVENTS, LayerError, LayerLimits, LayerStatus, Mailbox,
    Pending, events,
};
use crate::config::RedisConfig;
use crate::frame::Frame;
use crate::message::Message;
use crate::name::{ChannelName, GroupName, ProcessId, Tenant};

/// How much longer than `expiry` an encrypted message may be under way, as channels_redis allows.
const TOKEN_GRACE: Duration = Duration::from_secs(10);

/// How much of a turn's period nobody else can take it: less than all, so that the next turn of the same process is
/// not a moment too early.
pub(super) const TURN_HELD: f64 = 0.9;

/// A channel layer in Redis. Nothing that is asked of it is waited for: it is queued, and an answer that matters to the
/// asker comes later.
pub struct RedisLayer(Arc<Core>);

/// What the layer's tasks share.
struct Core {
    limits: Arc<LayerLimits>,
    codec: Codec,
    clock: Clock,
    servers: Vec<Server>,
    prefix: String,
    process: ProcessId,
    /// Grows with the tenants that the operator configured, and with nothing else.
    worlds: RwLock<HashMap<Tenant, Arc<World>>>,
    queue: Queue<Op>,
    overdue: Overdue,
    health: Health,
    /// Counts up when readers are to connect anew.
    restarts: watch::Sender<u64>,
    /// A reader lost its connection: the others may be gone too.
    suspicion: Notify,
    runtime: OnceLock<Handle>,
    tasks: Mutex<Vec<AbortHandle>>,
    own: Weak<Self>,
}

/// One tenant's channels.
struct World {
    tenant: Tenant,
    keys: Keys,
    local: Arc<Local>,
    /// Readers of keys other than the process's own. That of a named channel stays when the channel is closed, for
    /// the next to follow it; hosts open as many of those as are configured.
    readers: Mutex<HashMap<String, PlaceReader>>,
}

enum PlaceReader {
    Named(Arc<NamedReader>),
    /// Of channels with a `!`, of which so many are open.
    Shared(AbortHandle, usize),
}

/// Whether a group is of this process alone.
pub(super) fn is_local(group: &GroupName) -> bool {
    group.as_str() == LAYER_EVENTS
}

impl RedisLayer {
    /// A layer that connects once it is [started](ChannelLayer::start). `name` is for the log.
    #[must_use]
    pub fn new(name: &str, config: &RedisConfig, limits: LayerLimits) -> Self {
        let codec = Codec::new(
            config,
            config.random_prefix_length,
            Some(limits.expiry + TOKEN_GRACE),
            limits.message_bytes,
        );
        Self(Arc::new_cyclic(|own| Core {
            codec,
            clock: Clock::default(),
            servers: config.hosts.iter().cloned().map(Server::new).collect(),
            prefix: config.prefix.clone(),
            process: ProcessId::random(),
            worlds: RwLock::default(),
            queue: Queue::default(),
            overdue: Overdue::default(),
            health: Health::new(name.to_owned()),
            restarts: watch::Sender::new(0),
            suspicion: Notify::new(),
            runtime: OnceLock::new(),
            tasks: Mutex::default(),
            own: Weak::clone(own),
            limits: Arc::new(limits),
        }))
    }
}

impl Drop for RedisLayer {
    fn drop(&mut self) {
        for task in self.0.tasks().drain(..) {
            task.abort();
        }
    }
}

impl Core {
    fn world(&self, tenant: &Tenant) -> Arc<World> {
        let worlds = self.worlds.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(world) = worlds.get(tenant) {
            return Arc::clone(world);
        }
        drop(worlds);
        let mut worlds = self.worlds.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(world) = worlds.get(tenant) {
            return Arc::clone(world);
        }
        let local = Local::new(tenant.clone(), Arc::clone(&self.limits));
        local.on_close(Weak::<Self>::clone(&self.own));
        let world = Arc::new(World {
            tenant: tenant.clone(),
            keys: Keys::new(&self.prefix, tenant, self.servers.len()),
            local,
            readers: Mutex::default(),
        });
        worlds.insert(tenant.clone(), Arc::clone(&world));
        drop(worlds);
        self.read_own(&world);
        world
    }

    fn worlds(&self) -> Vec<Arc<World>> {
        self.worlds.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The part of this process's unique names up to the `!`.
    fn own_place(&self) -> String {
        format!("specific.{}!", self.process)
    }

    /// Reads the process's own key on every host: channels_redis sends to it on one host directly, and on another
    /// through a group.
    fn read_own(&self, world: &Arc<World>) {
        let Some(core) = self.own.upgrade() else { return };
        for shard in 0..self.servers.len() {
            let (core, world) = (Arc::clone(&core), Arc::clone(world));
            let place = self.own_place();
            self.spawn(reader::run(core, world, place, shard));
        }
    }

    /// Starts a task of the layer, if the layer has been started.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> Option<AbortHandle> {
        let task = self.runtime.get()?.spawn(task).abort_handle();
        let mut tasks = self.tasks();
        tasks.retain(|task| !task.is_finished());
        tasks.push(task.clone());
        Some(task)
    }

    fn tasks(&self) -> std::sync::MutexGuard<'_, Vec<AbortHandle>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn restarts(&self) -> watch::Receiver<u64> {
        self.restarts.subscribe()
    }

    fn restart_readers(&self) {
        self.restarts.send_modify(|count| *count += 1);
    }

    /// Seconds that a message key lasts.
    fn message_seconds(&self) -> u64 {
        whole_seconds(self.limits.expiry)
    }

    /// Seconds that a group key lasts.
    fn group_seconds(&self) -> u64 {
        whole_seconds(self.limits.group_expiry)
    }

    fn check_len(&self, len: usize) -> Result<(), LayerError> {
        let limit = self.limits.message_bytes;
        if len > limit { Err(LayerError::TooLarge { len, limit }) } else { Ok(()) }
    }

    fn away(&self) -> LayerError {
        let waiting = self.queue.len();
        LayerError::Unavailable { reason: format!("{waiting} operations wait for Redis") }
    }

    /// Counts a message for which there was no room.
    fn turn_away(&self) -> LayerError {
        Health::count(&self.health.lost, 1);
        self.away()
    }

    fn membership(
        &self,
        world: Arc<World>,
        group: &GroupName,
        channel: &ChannelName,
        begins: bool,
    ) {
        if is_local(group) {
            return;
        }
        let (group, channel) = (group.clone(), channel.clone());
        let membership = Membership { world, group, channel, begins };
        if let Err(Op::Membership(membership)) = self.queue.push(Op::Membership(membership)) {
            self.overdue.note(membership);
        }
    }

    fn group_deliver(
        &self,
        tenant: &Tenant,
        group: &GroupName,
        delivery: Delivery,
    ) -> Result<(), LayerError> {
        self.check_len(delivery.len())?;
        let (world, group, at) = (self.world(tenant), group.clone(), self.clock.now());
        let send = Op::GroupSend(GroupSend { world, group, delivery, at });
        self.queue.push(send).map_err(|_| self.turn_away())
    }

    /// Opens a channel, and reads its key if that is not read already.
    fn open(&self, world: &Arc<World>, channel: &ChannelName) -> Result<Mailbox, LayerError> {
        let place = channel.place();
        if place == self.own_place() {
            return world.local.open(channel, None);
        }
        let Some(core) = self.own.upgrade() else { return Err(self.away()) };
        let mut readers = world.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if !channel.is_unique() {
            let before = match readers.get(place) {
                Some(PlaceReader::Named(reader)) => Some(&**reader),
                _ => None,
            };
            let reader = Arc::new(NamedReader::after(before));
            let mailbox = world.local.open(channel, Some(Arc::clone(&reader.drained)))?;
            let (world, name) = (Arc::clone(world), channel.clone());
            self.spawn(reader::run_named(core, world, name, Arc::clone(&reader)));
            readers.insert(place.to_owned(), PlaceReader::Named(reader));
            return Ok(mailbox);
        }
        let mailbox = world.local.open(channel, None)?;
        match readers.get_mut(place) {
            Some(PlaceReader::Shared(_, open)) => *open += 1,
            _ => {
                let shard = world.keys.shard(place);
                let read = reader::run(core, Arc::clone(world), place.to_owned(), shard);
                if let Some(task) = self.spawn(read) {
                    readers.insert(place.to_owned(), PlaceReader::Shared(task, 1));
                }
            }
        }
        Ok(mailbox)
    }
}

/// Tells the consumers that asked for it how the layer fares, each time that changes.
pub(super) async fn announce(
    mut connected: watch::Receiver<bool>,
    worlds: impl Fn() -> Vec<Arc<Local>>,
    lasts: Duration,
) {
    // Having been reached for the first time is no news.
    if connected.wait_for(|connected| *connected).await.is_err() {
        return;
    }
    while connected.changed().await.is_ok() {
        let Ok(message) = events::of(*connected.borrow_and_update()) else { return };
        for local in worlds() {
            local.deliver_to_group(LAYER_EVENTS, &Delivery::Message(message.clone()), lasts);
        }
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
        match readers.get_mut(place) {
            Some(PlaceReader::Named(reader)) => {
                if let Some(number) = reader.close() {
                    let shard = world.keys.shard(place);
                    let _ = self.queue.push(Op::Unblock(shard, number));
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
                self.membership(Arc::clone(&world), &group, channel, false);
            }
        } else {
            self.put_back_left(&world, channel, left);
        }
    }
}

impl ChannelLayer for RedisLayer {
    fn start(&self, runtime: &Handle) {
        let core = &self.0;
        if core.runtime.set(runtime.clone()).is_err() {
            return;
        }
        core.spawn(pipeline::run(Arc::clone(core)));
        let weak = Arc::downgrade(core);
        let worlds = move || {
            let worlds = weak.upgrade().map(|core| core.worlds()).unwrap_or_default();
            worlds.iter().map(|world| Arc::clone(&world.local)).collect()
        };
        core.spawn(announce(core.health.watch(), worlds, core.limits.expiry));
        for world in core.worlds() {
            core.read_own(&world);
        }
        // So that its connections stand before the first socket does.
        core.world(&Tenant::default_tenant());
    }

    fn new_channel<'a>(&'a self, tenant: &'a Tenant) -> Answer<'a, Result<Mailbox, LayerError>> {
        let name = ChannelName::unique(&self.0.process);
        Answer::ready(self.0.world(tenant).local.open(&name, None))
    }

    fn open<'a>(
        &'a self,
        tenant: &'a Tenant,
        channel: &'a ChannelName,
    ) -> Answer<'a, Result<Mailbox, LayerError>> {
        Answer::ready(self.0.open(&self.0.world(tenant), channel))
    }

    fn probe(
        &self,
        tenant: &Tenant,
        channel: &ChannelName,
        pending: Pending,
        len: usize,
    ) -> Result<(), LayerError> {
        self.0.check_len(len)?;
        if !self.0.queue.has_room(pending, len) {
            return Err(self.0.away());
        }
        match self.0.world(tenant).local.find(channel.as_str()) {
            Some(here) if !here.has_room(pending, len) => {
                Err(LayerError::ChannelFull { channel: channel.clone() })
            }
            _ => Ok(()),
        }
    }

    fn probe_group(
        &self,
        _tenant: &Tenant,
        pending: Pending,
        len: usize,
    ) -> Result<(), LayerError> {
        self.0.check_len(len)?;
        if self.0.queue.has_room(pending, len) { Ok(()) } else { Err(self.0.away()) }
    }

    fn send<'a>(
        &'a self,
        tenant: &'a Tenant,
        channel: &'a ChannelName,
        message: Message,
    ) -> Answer<'a, Result<(), LayerError>> {
        let core = &self.0;
        if let Err(error) = self.probe(tenant, channel, Pending::default(), message.len()) {
            return Answer::ready(Err(error));
        }
        let world = core.world(tenant);
        let place = channel.place();
        let to = if channel.is_unique() { To::Channel(channel.as_str()) } else { To::Key };
        let wire = match core.codec.encode(&message, to) {
            Ok(wire) => wire,
            Err(error) => {
                let reason = error.to_string();
                return Answer::ready(Err(LayerError::Unwritable { reason }));
            }
        };
        let (reply, answer) = oneshot::channel();
        let put = Put {
            shard: world.keys.shard(place),
            key: world.keys.messages(place),
            at: core.clock.now(),
            score: None,
            capacity: members::capacity(core, place),
            wire,
            receivers: 1,
            reply: Some((channel.clone(), reply)),
        };
        match core.queue.push(Op::Put(put)) {
            Ok(()) => Answer::told(answer, || Err(unanswered())),
            Err(_) => Answer::ready(Err(core.turn_away())),
        }
    }

    fn group_add<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> Answer<'a, Result<(), LayerError>> {
        let core = &self.0;
        let world = core.world(tenant);
        Answer::ready(match world.local.join(group, channel) {
            // A channel of this process that is not open has ended.
            Ok(None) if channel.place() == core.own_place() => Ok(()),
            Ok(_) => {
                core.membership(world, group, channel, true);
                Ok(())
            }
            Err(error) => Err(error),
        })
    }

    fn group_discard<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> Answer<'a, Result<(), LayerError>> {
        let world = self.0.world(tenant);
        world.local.leave(group, channel);
        self.0.membership(world, group, channel, false);
        Answer::ready(Ok(()))
    }

    fn group_send<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        message: Message,
    ) -> Answer<'a, Result<(), LayerError>> {
        Answer::ready(self.0.group_deliver(tenant, group, Delivery::Message(message)))
    }

    fn group_send_frame<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        frame: Frame,
    ) -> Answer<'a, Result<(), LayerError>> {
        Answer::ready(self.0.group_deliver(tenant, group, Delivery::Frame(frame)))
    }

    fn flush<'a>(&'a self, tenant: &'a Tenant) -> Answer<'a, Result<(), LayerError>> {
        Answer::pending(self.0.flush(tenant))
    }

    fn claim<'a>(
        &'a self,
        tenant: &'a Tenant,
        name: &'a ChannelName,
        period: Duration,
    ) -> Answer<'a, Result<bool, LayerError>> {
        let keys = &self.0.world(tenant).keys;
        let held = u64::try_from(period.mul_f64(TURN_HELD).as_millis()).unwrap_or(u64::MAX).max(1);
        let (reply, answer) = oneshot::channel();
        let shard = keys.shard(name.as_str());
        match self.0.queue.push(Op::Claim(shard, keys.turn(name.as_str()), held, reply)) {
            Ok(()) => Answer::told(answer, || Err(unanswered())),
            Err(_) => Answer::ready(Err(self.0.away())),
        }
    }

    fn confirm(&self) -> Answer<'_, Result<(), LayerError>> {
        match self.0.queue.confirm() {
            None => Answer::ready(Ok(())),
            Some(answer) => Answer::told(answer, || Err(unanswered())),
        }
    }

    fn status(&self) -> LayerStatus {
        self.0.health.status(self.0.queue.len())
    }
}

pub(super) fn unanswered() -> LayerError {
    LayerError::Unavailable { reason: "Redis went away before it answered".to_owned() }
}

impl fmt::Debug for RedisLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLayer").field("process", &self.0.process).finish_non_exhaustive()
    }
}
