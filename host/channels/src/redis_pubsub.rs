//! The layer of many processes by Redis's publish and subscribe: channels_redis's `RedisPubSubChannelLayer`.
//!
//! Nothing is kept: what is published reaches who listens, and a channel that nobody has opened takes nothing. What is
//! asked for goes through one queue, in order, to one [task](carrier); what comes is put into mailboxes kept
//! [here](super::local), for a group into those of its members.

mod carrier;
mod op;
mod topics;

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;

use self::op::{Op, Publish, Subject, Topic};
use self::topics::Topics;
use super::local::{Closing, Left, Local, Member};
use super::redis::base::{Base, Worlds, announce, is_local};
use super::redis::health::Health;
use super::redis::wire::{Codec, To, WireError};
use super::{
    Answer, ChannelLayer, LayerError, LayerLimits, LayerStatus, Mailbox, Pending, Receiver,
};
use narrowboat_config::RedisConfig;
use narrowboat_core::frame::Frame;
use narrowboat_core::message::Message;
use narrowboat_core::name::{ChannelName, GroupName, Tenant};

/// A channel layer by publish and subscribe.
pub struct RedisPubSubLayer(Arc<Core>);

/// What the layer's tasks share.
struct Core {
    base: Base<Op>,
    prefix: String,
    /// What the names of this process's channels have in common, so that one pattern subscribes to all of them.
    process: u64,
    worlds: Worlds<World>,
    own: Weak<Self>,
}

/// One tenant's channels.
struct World {
    topics: Topics,
    local: Arc<Local>,
}

impl RedisPubSubLayer {
    /// A layer that connects once it is [started](ChannelLayer::start). `name` is for the log.
    #[must_use]
    pub fn new(name: &str, config: &RedisConfig, limits: LayerLimits) -> Self {
        let codec = Codec::new(config, 0, None, limits.message_bytes);
        Self(Arc::new_cyclic(|own| Core {
            base: Base::new(name, config, limits, codec),
            prefix: config.prefix.clone(),
            process: rand::random(),
            worlds: Worlds::default(),
            own: Weak::clone(own),
        }))
    }
}

impl Drop for RedisPubSubLayer {
    fn drop(&mut self) {
        self.0.base.stop();
    }
}

impl Core {
    fn world(&self, tenant: &Tenant) -> Arc<World> {
        let make = || {
            let local = Local::new(tenant.clone(), Arc::clone(&self.base.limits));
            local.on_close(Weak::<Self>::clone(&self.own));
            let shards = self.base.servers.len();
            World { topics: Topics::new(&self.prefix, tenant, shards, self.process), local }
        };
        self.worlds.get(tenant, make, |world| {
            for shard in 0..self.base.servers.len() {
                self.listen(world, (shard, world.topics.own_channels()), Subject::OwnChannels);
            }
        })
    }

    fn worlds(&self) -> Vec<Arc<World>> {
        self.worlds.all()
    }

    /// Begins or ends to listen, as the subject says by then. While Redis is away this is not kept: who connects listens to
    /// all there is.
    fn listen(&self, world: &Arc<World>, (shard, name): (usize, String), subject: Subject) {
        let topic = Topic { world: Arc::clone(world), shard, name, subject };
        if let Err(Op::Listen(topic)) = self.base.queue.push(Op::Listen(topic)) {
            let name = topic.name;
            self.base.health.complain(format_args!("too many topics wait for Redis: {name}"));
        }
    }

    fn listen_to_group(&self, world: &Arc<World>, group: &GroupName) {
        if is_local(group) {
            return;
        }
        for topic in world.topics.group(group) {
            self.listen(world, topic, Subject::Group(group.clone()));
        }
    }

    fn listen_to_channel(&self, world: &Arc<World>, channel: &ChannelName) {
        if !world.topics.is_own(channel.as_str()) {
            let topic = world.topics.channel(channel);
            self.listen(world, topic, Subject::Channel(channel.clone()));
        }
    }

    fn publish(&self, (shard, topic): (usize, String), wire: Vec<u8>) -> Result<(), LayerError> {
        let at = tokio::time::Instant::now();
        self.base.push_message(Op::Publish(Publish { shard, topic, wire, at }))
    }

    fn encode(&self, message: &Message) -> Result<Vec<u8>, LayerError> {
        self.base.check_len(message.len())?;
        let unwritable = |error: WireError| LayerError::Unwritable { reason: error.to_string() };
        self.base.codec.encode(message, To::Key).map_err(unwritable)
    }

    /// Puts what was published into the mailboxes it is for.
    fn deliver(&self, topic: &str, wire: Vec<u8>) {
        let parcel = match self.base.codec.decode(wire.into()) {
            Ok(parcel) => parcel,
            Err(error) => return self.base.health.note_unreadable(topic, &error),
        };
        for world in self.worlds() {
            let lasts = self.base.limits.expiry;
            let dropped = match world.topics.read(topic) {
                Some(topics::Heard::Group(group)) => {
                    world.local.deliver_to_group(group, &parcel.delivery, lasts)
                }
                Some(topics::Heard::Channel(name)) => {
                    world.local.deliver(std::iter::once(name), &parcel.delivery, lasts)
                }
                None => 0,
            };
            Health::count(&self.base.health.dropped, dropped);
        }
    }
}

impl Closing for Core {
    fn closed(&self, tenant: &Tenant, channel: &ChannelName, groups: Vec<GroupName>, _: Left) {
        let world = self.world(tenant);
        for group in groups {
            if !world.local.has_group(group.as_str()) {
                self.listen_to_group(&world, &group);
            }
        }
        self.listen_to_channel(&world, channel);
    }
}

/// Channels and groups share the names of what is published: leave to send to the one is none for the other.
fn check_channel(topics: &Topics, channel: &ChannelName) -> Result<(), LayerError> {
    match topics.is_group(channel) {
        true => Err(LayerError::Denied {
            reason: format!("messages for a group are published under the name {channel}"),
        }),
        false => Ok(()),
    }
}

impl ChannelLayer for RedisPubSubLayer {
    fn start(&self, runtime: &Handle) {
        let core = &self.0;
        if !core.base.start(runtime) {
            return;
        }
        core.world(&Tenant::default_tenant());
        let weak = Arc::downgrade(core);
        let worlds = move || {
            let worlds = weak.upgrade().map(|core| core.worlds()).unwrap_or_default();
            worlds.iter().map(|world| Arc::clone(&world.local)).collect()
        };
        let connected = core.base.health.watch();
        core.base.spawn(announce(connected, worlds, core.base.limits.expiry));
        core.base.spawn(carrier::run(Arc::clone(core)));
    }

    fn new_channel<'a>(&'a self, tenant: &'a Tenant) -> Answer<'a, Result<Mailbox, LayerError>> {
        let world = self.0.world(tenant);
        let opened = world.topics.new_channel().map_err(LayerError::from);
        Answer::ready(opened.and_then(|name| world.local.open(&name, None)))
    }

    fn open<'a>(
        &'a self,
        tenant: &'a Tenant,
        channel: &'a ChannelName,
    ) -> Answer<'a, Result<Mailbox, LayerError>> {
        let world = self.0.world(tenant);
        let opened = world.local.open(channel, None);
        if opened.is_ok() {
            self.0.listen_to_channel(&world, channel);
        }
        Answer::ready(opened)
    }

    fn probe(
        &self,
        tenant: &Tenant,
        channel: &ChannelName,
        pending: Pending,
        len: usize,
    ) -> Result<(), LayerError> {
        let world = self.0.world(tenant);
        check_channel(&world.topics, channel)?;
        self.0.base.probe(&world.local, channel, pending, len)
    }

    fn is_unique(&self, tenant: &Tenant, channel: &ChannelName) -> bool {
        channel.is_unique() || self.0.world(tenant).topics.is_unique(channel.as_str())
    }

    fn probe_group(&self, _: &Tenant, pending: Pending, len: usize) -> Result<(), LayerError> {
        self.0.base.check_room(pending, len)
    }

    fn fan_out(&self, _: &Tenant, _: &GroupName) -> usize {
        0
    }

    fn send<'a>(
        &'a self,
        tenant: &'a Tenant,
        channel: &'a ChannelName,
        message: Message,
    ) -> Answer<'a, Result<(), LayerError>> {
        let sent = self.probe(tenant, channel, Pending::default(), message.len());
        let sent = sent.and_then(|()| self.0.encode(&message));
        let topic = self.0.world(tenant).topics.channel(channel);
        Answer::ready(sent.and_then(|wire| self.0.publish(topic, wire)))
    }

    fn group_add<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> Answer<'a, Result<(), LayerError>> {
        let world = self.0.world(tenant);
        Answer::ready(world.local.join(group, channel).map(|member| {
            if member == Some(Member::Only) {
                self.0.listen_to_group(&world, group);
            }
        }))
    }

    fn group_discard<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> Answer<'a, Result<(), LayerError>> {
        let world = self.0.world(tenant);
        if world.local.leave(group, channel) == Some(Member::Only) {
            self.0.listen_to_group(&world, group);
        }
        Answer::ready(Ok(()))
    }

    fn group_send<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        message: Message,
    ) -> Answer<'a, Result<(), LayerError>> {
        let [topic, _] = self.0.world(tenant).topics.group(group);
        Answer::ready(self.0.encode(&message).and_then(|wire| self.0.publish(topic, wire)))
    }

    fn group_send_frame<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        frame: Frame,
    ) -> Answer<'a, Result<(), LayerError>> {
        if let Err(error) = self.0.base.check_len(frame.len()) {
            return Answer::ready(Err(error));
        }
        let [_, topic] = self.0.world(tenant).topics.group(group);
        let wire = self.0.base.codec.encode_frame(&frame, To::Key);
        Answer::ready(self.0.publish(topic, wire))
    }

    fn receivers<'a>(
        &'a self,
        tenant: &'a Tenant,
        to: Receiver<'a>,
    ) -> Answer<'a, Result<Option<u64>, LayerError>> {
        let world = self.0.world(tenant);
        let (shard, topic) = match to {
            Receiver::Group(group) => {
                let [messages, _] = world.topics.group(group);
                messages
            }
            Receiver::Channel(channel) => {
                let is_open = world.local.find(channel.as_str()).is_some();
                if is_open || world.topics.is_own(channel.as_str()) {
                    return Answer::ready(Ok(Some(u64::from(is_open))));
                }
                // Other hosts listen to theirs by a pattern.
                if world.topics.is_unique(channel.as_str()) {
                    return Answer::ready(Ok(None));
                }
                world.topics.channel(channel)
            }
        };
        Answer::pending(async move {
            let mut count = redis::cmd("PUBSUB");
            count.arg("NUMSUB").arg(topic);
            let (_, count): (String, u64) = self.0.base.ask(shard, &count).await?;
            Ok(Some(count))
        })
    }

    fn flush<'a>(&'a self, tenant: &'a Tenant) -> Answer<'a, Result<(), LayerError>> {
        Answer::pending(async {
            let world = self.0.world(tenant);
            // Listening anew to what is listened to anyway is answered after what was published before.
            for shard in 0..self.0.base.servers.len() {
                let topic = (shard, world.topics.own_channels());
                self.0.listen(&world, topic, Subject::OwnChannels);
            }
            // What comes later than this was sent later, or has not left its sender yet.
            self.0.base.carried().await?;
            let groups = world.local.groups();
            world.local.flush();
            for group in groups {
                self.0.listen_to_group(&world, &group);
            }
            self.0.base.carried().await
        })
    }

    fn claim<'a>(
        &'a self,
        tenant: &'a Tenant,
        name: &'a ChannelName,
        period: Duration,
    ) -> Answer<'a, Result<bool, LayerError>> {
        let (shard, key) = self.0.world(tenant).topics.turn(name);
        self.0.base.claim(shard, key, period)
    }

    fn confirm(&self) -> Answer<'_, Result<(), LayerError>> {
        self.0.base.confirm()
    }

    fn carried(&self) -> Answer<'_, Result<(), LayerError>> {
        Answer::pending(self.0.base.carried())
    }

    fn status(&self) -> LayerStatus {
        self.0.base.status()
    }
}

impl fmt::Debug for RedisPubSubLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisPubSubLayer").finish_non_exhaustive()
    }
}
