//! The layer of many processes by Redis's publish and subscribe: channels_redis's `RedisPubSubChannelLayer`.
//!
//! Nothing is kept: what is published reaches who listens, and a channel that nobody has opened takes nothing. What is
//! asked for goes through one queue, in order, to one [task](carrier); what comes is put into mailboxes kept
//! [here](super::process_channels), for a group into those of its members.

mod pubsub_op;
mod pubsub_task;
mod topic_names;

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;

use self::pubsub_op::{Op, Publish, TopicSubject, TopicSubscription};
use self::topic_names::TopicNames;
use super::process_channels::{
    CloseListener, MemberCardinality, ProcessChannels, UnreadDeliveries,
};
use super::redis::health::Health;
use super::redis::layer_base::{
    LayerTenants, RedisLayerBase, announce_connection_changes, is_process_local_group,
};
use super::redis::wire::{Codec, WireAddress, WireError};
use super::{
    ChannelLayer, LayerError, LayerLimits, LayerStatus, Mailbox, MaybeReady, QueueLoad, Recipient,
};
use narrowboat_config::RedisConfig;
use narrowboat_core::frame::Frame;
use narrowboat_core::message::Message;
use narrowboat_core::name::{ChannelName, GroupName, Tenant};

/// A channel layer by publish and subscribe.
pub struct RedisPubSubLayer(Arc<RedisPubSubCore>);

/// What the layer's tasks share.
struct RedisPubSubCore {
    base: RedisLayerBase<Op>,
    prefix: String,
    /// What the names of this process's channels have in common, so that one pattern subscribes to all of them.
    process_id: u64,
    tenants: LayerTenants<PubSubTenant>,
    weak_self: Weak<Self>,
}

/// One tenant's channels.
struct PubSubTenant {
    topic_names: TopicNames,
    local: Arc<ProcessChannels>,
}

impl RedisPubSubLayer {
    /// A layer that connects once it is [started](ChannelLayer::start). `name` is for the log.
    #[must_use]
    pub fn new(name: &str, config: &RedisConfig, limits: LayerLimits) -> Self {
        let codec = Codec::new(config, 0, None, limits.message_bytes);
        Self(Arc::new_cyclic(|own| RedisPubSubCore {
            base: RedisLayerBase::new(name, config, limits, codec),
            prefix: config.prefix.clone(),
            process_id: rand::random(),
            tenants: LayerTenants::default(),
            weak_self: Weak::clone(own),
        }))
    }
}

impl Drop for RedisPubSubLayer {
    fn drop(&mut self) {
        self.0.base.abort_tasks();
    }
}

impl RedisPubSubCore {
    fn tenant(&self, tenant: &Tenant) -> Arc<PubSubTenant> {
        let make = || {
            let local = ProcessChannels::new(tenant.clone(), Arc::clone(&self.base.limits));
            local.set_close_listener(Weak::<Self>::clone(&self.weak_self));
            let shards = self.base.servers.len();
            PubSubTenant {
                topic_names: TopicNames::new(&self.prefix, tenant, shards, self.process_id),
                local,
            }
        };
        self.tenants.get_or_create(tenant, make, |world| {
            for shard in 0..self.base.servers.len() {
                self.queue_subscription_update(
                    world,
                    (shard, world.topic_names.own_channel_pattern()),
                    TopicSubject::OwnChannels,
                );
            }
        })
    }

    fn tenants(&self) -> Vec<Arc<PubSubTenant>> {
        self.tenants.all()
    }

    /// Begins or ends to listen, as the subject says by then. While Redis is away this is not kept: who connects listens to
    /// all there is.
    fn queue_subscription_update(
        &self,
        world: &Arc<PubSubTenant>,
        (shard, name): (usize, String),
        subject: TopicSubject,
    ) {
        let topic = TopicSubscription { tenant: Arc::clone(world), shard, name, subject };
        if let Err(Op::UpdateSubscription(topic)) =
            self.base.queue.push(Op::UpdateSubscription(topic))
        {
            let name = topic.name;
            self.base.health.complain(format_args!("too many topics wait for Redis: {name}"));
        }
    }

    fn update_group_subscription(&self, world: &Arc<PubSubTenant>, group: &GroupName) {
        if is_process_local_group(group) {
            return;
        }
        for topic in world.topic_names.group_topics(group) {
            self.queue_subscription_update(world, topic, TopicSubject::Group(group.clone()));
        }
    }

    fn update_channel_subscription(&self, world: &Arc<PubSubTenant>, channel: &ChannelName) {
        if !world.topic_names.is_own_channel(channel.as_str()) {
            let topic = world.topic_names.channel_topic(channel);
            self.queue_subscription_update(world, topic, TopicSubject::Channel(channel.clone()));
        }
    }

    fn publish(&self, (shard, topic): (usize, String), wire: Vec<u8>) -> Result<(), LayerError> {
        let at = tokio::time::Instant::now();
        self.base.push_message(Op::Publish(Publish { shard, topic, wire, at }))
    }

    fn encode(&self, message: &Message) -> Result<Vec<u8>, LayerError> {
        self.base.check_len(message.len())?;
        let unwritable =
            |error: WireError| LayerError::Unserializable { reason: error.to_string() };
        self.base.codec.encode(message, WireAddress::Implicit).map_err(unwritable)
    }

    /// Puts what was published into the mailboxes it is for.
    fn deliver(&self, topic: &str, wire: Vec<u8>) {
        let parcel = match self.base.codec.decode(wire.into()) {
            Ok(parcel) => parcel,
            Err(error) => return self.base.health.record_decode_error(topic, &error),
        };
        for world in self.tenants() {
            let lasts = self.base.limits.expiry;
            let dropped = match world.topic_names.parse(topic) {
                Some(topic_names::TopicTarget::Group(group)) => {
                    world.local.deliver_to_group(group, &parcel.delivery, lasts)
                }
                Some(topic_names::TopicTarget::Channel(name)) => {
                    world.local.deliver_to_channels(std::iter::once(name), &parcel.delivery, lasts)
                }
                None => 0,
            };
            Health::count(&self.base.health.dropped, dropped);
        }
    }
}

impl CloseListener for RedisPubSubCore {
    fn on_channel_closed(
        &self,
        tenant: &Tenant,
        channel: &ChannelName,
        groups: Vec<GroupName>,
        _: UnreadDeliveries,
    ) {
        let world = self.tenant(tenant);
        for group in groups {
            if !world.local.has_group(group.as_str()) {
                self.update_group_subscription(&world, &group);
            }
        }
        self.update_channel_subscription(&world, channel);
    }
}

/// Channels and groups share the names of what is published: leave to send to the one is none for the other.
fn check_not_group_topic(topics: &TopicNames, channel: &ChannelName) -> Result<(), LayerError> {
    match topics.is_group_topic(channel) {
        true => Err(LayerError::Denied {
            reason: format!("messages for a group are published under the name {channel}"),
        }),
        false => Ok(()),
    }
}

impl ChannelLayer for RedisPubSubLayer {
    fn start(&self, runtime: &Handle) {
        let core = &self.0;
        if !core.base.set_runtime(runtime) {
            return;
        }
        core.tenant(&Tenant::default_tenant());
        let weak = Arc::downgrade(core);
        let worlds = move || {
            let worlds = weak.upgrade().map(|core| core.tenants()).unwrap_or_default();
            worlds.iter().map(|world| Arc::clone(&world.local)).collect()
        };
        let connected = core.base.health.subscribe_connected();
        core.base.spawn(announce_connection_changes(connected, worlds, core.base.limits.expiry));
        core.base.spawn(pubsub_task::run_pubsub(Arc::clone(core)));
    }

    fn new_channel<'a>(
        &'a self,
        tenant: &'a Tenant,
    ) -> MaybeReady<'a, Result<Mailbox, LayerError>> {
        let world = self.0.tenant(tenant);
        let opened = world.topic_names.new_channel_name().map_err(LayerError::from);
        MaybeReady::ready(opened.and_then(|name| world.local.open_channel(&name, None)))
    }

    fn open_channel<'a>(
        &'a self,
        tenant: &'a Tenant,
        channel: &'a ChannelName,
    ) -> MaybeReady<'a, Result<Mailbox, LayerError>> {
        let world = self.0.tenant(tenant);
        let opened = world.local.open_channel(channel, None);
        if opened.is_ok() {
            self.0.update_channel_subscription(&world, channel);
        }
        MaybeReady::ready(opened)
    }

    fn check_send(
        &self,
        tenant: &Tenant,
        channel: &ChannelName,
        pending: QueueLoad,
        len: usize,
    ) -> Result<(), LayerError> {
        let world = self.0.tenant(tenant);
        check_not_group_topic(&world.topic_names, channel)?;
        self.0.base.check_send(&world.local, channel, pending, len)
    }

    fn is_unique(&self, tenant: &Tenant, channel: &ChannelName) -> bool {
        channel.is_process_local()
            || self.0.tenant(tenant).topic_names.is_unique_channel(channel.as_str())
    }

    fn check_group_send(
        &self,
        _: &Tenant,
        pending: QueueLoad,
        len: usize,
    ) -> Result<(), LayerError> {
        self.0.base.check_queue_room(pending, len)
    }

    fn fan_out(&self, _: &Tenant, _: &GroupName) -> usize {
        0
    }

    fn send<'a>(
        &'a self,
        tenant: &'a Tenant,
        channel: &'a ChannelName,
        message: Message,
    ) -> MaybeReady<'a, Result<(), LayerError>> {
        let sent = self.check_send(tenant, channel, QueueLoad::default(), message.len());
        let sent = sent.and_then(|()| self.0.encode(&message));
        let topic = self.0.tenant(tenant).topic_names.channel_topic(channel);
        MaybeReady::ready(sent.and_then(|wire| self.0.publish(topic, wire)))
    }

    fn group_add<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> MaybeReady<'a, Result<(), LayerError>> {
        let world = self.0.tenant(tenant);
        MaybeReady::ready(world.local.group_add(group, channel).map(|member| {
            if member == Some(MemberCardinality::Sole) {
                self.0.update_group_subscription(&world, group);
            }
        }))
    }

    fn group_discard<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> MaybeReady<'a, Result<(), LayerError>> {
        let world = self.0.tenant(tenant);
        if world.local.group_discard(group, channel) == Some(MemberCardinality::Sole) {
            self.0.update_group_subscription(&world, group);
        }
        MaybeReady::ready(Ok(()))
    }

    fn group_send<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        message: Message,
    ) -> MaybeReady<'a, Result<(), LayerError>> {
        let [topic, _] = self.0.tenant(tenant).topic_names.group_topics(group);
        MaybeReady::ready(self.0.encode(&message).and_then(|wire| self.0.publish(topic, wire)))
    }

    fn group_send_frame<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        frame: Frame,
    ) -> MaybeReady<'a, Result<(), LayerError>> {
        if let Err(error) = self.0.base.check_len(frame.len()) {
            return MaybeReady::ready(Err(error));
        }
        let [_, topic] = self.0.tenant(tenant).topic_names.group_topics(group);
        let wire = self.0.base.codec.encode_frame(&frame, WireAddress::Implicit);
        MaybeReady::ready(self.0.publish(topic, wire))
    }

    fn receiver_count<'a>(
        &'a self,
        tenant: &'a Tenant,
        to: Recipient<'a>,
    ) -> MaybeReady<'a, Result<Option<u64>, LayerError>> {
        let world = self.0.tenant(tenant);
        let (shard, topic) = match to {
            Recipient::Group(group) => {
                let [messages, _] = world.topic_names.group_topics(group);
                messages
            }
            Recipient::Channel(channel) => {
                let is_open = world.local.find_channel(channel.as_str()).is_some();
                if is_open || world.topic_names.is_own_channel(channel.as_str()) {
                    return MaybeReady::ready(Ok(Some(u64::from(is_open))));
                }
                // Other hosts listen to theirs by a pattern.
                if world.topic_names.is_unique_channel(channel.as_str()) {
                    return MaybeReady::ready(Ok(None));
                }
                world.topic_names.channel_topic(channel)
            }
        };
        MaybeReady::pending(async move {
            let mut count = redis::cmd("PUBSUB");
            count.arg("NUMSUB").arg(topic);
            let (_, count): (String, u64) = self.0.base.query(shard, &count).await?;
            Ok(Some(count))
        })
    }

    fn flush<'a>(&'a self, tenant: &'a Tenant) -> MaybeReady<'a, Result<(), LayerError>> {
        MaybeReady::pending(async {
            let world = self.0.tenant(tenant);
            // Listening anew to what is listened to anyway is answered after what was published before.
            for shard in 0..self.0.base.servers.len() {
                let topic = (shard, world.topic_names.own_channel_pattern());
                self.0.queue_subscription_update(&world, topic, TopicSubject::OwnChannels);
            }
            // What comes later than this was sent later, or has not left its sender yet.
            self.0.base.wait_until_processed().await?;
            let groups = world.local.group_names();
            world.local.flush();
            for group in groups {
                self.0.update_group_subscription(&world, &group);
            }
            self.0.base.wait_until_processed().await
        })
    }

    fn claim<'a>(
        &'a self,
        tenant: &'a Tenant,
        name: &'a ChannelName,
        period: Duration,
    ) -> MaybeReady<'a, Result<bool, LayerError>> {
        let (shard, key) = self.0.tenant(tenant).topic_names.lease_key(name);
        self.0.base.claim(shard, key, period)
    }

    fn wait_for_memberships(&self) -> MaybeReady<'_, Result<(), LayerError>> {
        self.0.base.wait_for_memberships()
    }

    fn wait_until_sent(&self) -> MaybeReady<'_, Result<(), LayerError>> {
        MaybeReady::pending(self.0.base.wait_until_processed())
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
