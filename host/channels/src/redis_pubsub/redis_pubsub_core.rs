//! The state that the publish/subscribe layer and its tasks share.

use std::sync::{Arc, Weak};

use tokio::time::Instant;

use super::pubsub_op::{PubSubOp, PublishedMessage, TopicSubject, TopicSubscription};
use super::pubsub_tenant::PubSubTenant;
use super::topic_names::{TopicNames, TopicTarget};
use crate::layer_events::is_process_local_group;
use crate::process_channel::UnreadDeliveries;
use crate::process_channels::{CloseListener, ProcessChannels};
use crate::redis_common::{Codec, LayerHealth, LayerTenants, RedisLayerBase, WireAddress};
use crate::{LayerError, LayerLimits};
use narrowboat_config::RedisConfig;
use narrowboat_core::message::Message;
use narrowboat_core::name::{ChannelName, GroupName, Tenant};

/// The state that the layer and its tasks share.
pub(super) struct RedisPubSubCore {
    pub(super) base: RedisLayerBase<PubSubOp>,
    pub(super) prefix: String,
    /// The common part of this process's channel names, so that one pattern subscribes to all of them.
    process_id: u64,
    tenants: LayerTenants<PubSubTenant>,
    weak_self: Weak<Self>,
}

impl RedisPubSubCore {
    /// Creates the state of a layer that is not started.
    pub(super) fn new(name: &str, config: &RedisConfig, limits: LayerLimits) -> Arc<Self> {
        let codec = Codec::new(config, 0, None, limits.message_bytes);
        Arc::new_cyclic(|weak_self| Self {
            base: RedisLayerBase::new(name, config, limits, codec),
            prefix: config.prefix.clone(),
            process_id: rand::random(),
            tenants: LayerTenants::default(),
            weak_self: Weak::clone(weak_self),
        })
    }

    /// Returns a tenant, which is created if need be, with a subscription to its channels of this process.
    pub(super) fn tenant(&self, tenant: &Tenant) -> Arc<PubSubTenant> {
        let create = || {
            let local = ProcessChannels::new(tenant.clone(), Arc::clone(&self.base.limits));
            local.set_close_listener(Weak::<Self>::clone(&self.weak_self));
            let shard_count = self.base.servers.len();
            let topic_names = TopicNames::new(&self.prefix, tenant, shard_count, self.process_id);
            PubSubTenant { topic_names, local }
        };
        self.tenants.get_or_create(tenant, create, |tenant| self.subscribe_own_channels(tenant))
    }

    pub(super) fn tenants(&self) -> Vec<Arc<PubSubTenant>> {
        self.tenants.all()
    }

    /// Queues a subscription to the tenant's channels of this process, on every server.
    pub(super) fn subscribe_own_channels(&self, tenant: &Arc<PubSubTenant>) {
        for shard in 0..self.base.servers.len() {
            let topic = (shard, tenant.topic_names.own_channel_pattern());
            self.queue_subscription_update(tenant, topic, TopicSubject::OwnChannels);
        }
    }

    /// Queues a subscription or its end, whichever `subject` needs when the operation is carried out. The queue drops
    /// it while Redis is unreachable, since each connection begins with all subscriptions.
    fn queue_subscription_update(
        &self,
        tenant: &Arc<PubSubTenant>,
        (shard, name): (usize, String),
        subject: TopicSubject,
    ) {
        let topic = TopicSubscription { tenant: Arc::clone(tenant), shard, name, subject };
        if let Err(PubSubOp::UpdateSubscription(topic)) =
            self.base.queue.push(PubSubOp::UpdateSubscription(topic))
        {
            self.base.health.warn_throttled(format_args!(
                "too many subscriptions wait for Redis: the topic {} is not updated",
                topic.name
            ));
        }
    }

    /// Queues an update of the subscriptions to a group.
    pub(super) fn update_group_subscription(&self, tenant: &Arc<PubSubTenant>, group: &GroupName) {
        if is_process_local_group(group) {
            return;
        }
        for topic in tenant.topic_names.group_topics(group) {
            self.queue_subscription_update(tenant, topic, TopicSubject::Group(group.clone()));
        }
    }

    /// Queues an update of the subscription to a channel, unless it is covered by that to all channels of this process.
    pub(super) fn update_channel_subscription(
        &self,
        tenant: &Arc<PubSubTenant>,
        channel: &ChannelName,
    ) {
        if !tenant.topic_names.is_own_channel(channel.as_str()) {
            let topic = tenant.topic_names.channel_topic(channel);
            self.queue_subscription_update(tenant, topic, TopicSubject::Channel(channel.clone()));
        }
    }

    /// Queues an encoded message or frame for a topic.
    ///
    /// # Errors
    /// [`LayerError::Unavailable`] if the queue is full.
    pub(super) fn queue_publish(
        &self,
        (shard, topic): (usize, String),
        wire: Vec<u8>,
    ) -> Result<(), LayerError> {
        let sent_at = Instant::now();
        let message = PublishedMessage { shard, topic, wire, sent_at };
        self.base.push_message(PubSubOp::Publish(message))
    }

    /// Encodes a message.
    ///
    /// # Errors
    /// [`LayerError::TooLarge`] or [`LayerError::Unserializable`].
    pub(super) fn encode(&self, message: &Message) -> Result<Vec<u8>, LayerError> {
        self.base.limits.check_len(message.len())?;
        self.base
            .codec
            .encode(message, WireAddress::Implicit)
            .map_err(|error| LayerError::Unserializable { reason: error.to_string() })
    }

    /// Puts a published message or frame into the mailboxes of its recipients.
    pub(super) fn deliver(&self, topic: &str, wire: Vec<u8>) {
        let delivery = match self.base.codec.decode(wire.into()) {
            Ok(decoded) => decoded.delivery,
            Err(error) => return self.base.health.record_decode_error(topic, &error),
        };
        let lifetime = self.base.limits.expiry;
        for tenant in self.tenants() {
            let local = &tenant.local;
            let dropped = match tenant.topic_names.parse(topic) {
                Some(TopicTarget::Group(group)) => {
                    local.deliver_to_group(group, &delivery, lifetime)
                }
                Some(TopicTarget::Channel(name)) => {
                    local.deliver_to_channels(std::iter::once(name), &delivery, lifetime)
                }
                None => 0,
            };
            LayerHealth::add_to_counter(&self.base.health.dropped, dropped);
        }
    }
}

impl CloseListener for RedisPubSubCore {
    fn on_channel_closed(
        &self,
        tenant: &Tenant,
        channel: &ChannelName,
        groups: Vec<GroupName>,
        _unread: UnreadDeliveries,
    ) {
        let tenant = self.tenant(tenant);
        for group in groups {
            if !tenant.local.has_group(group.as_str()) {
                self.update_group_subscription(&tenant, &group);
            }
        }
        self.update_channel_subscription(&tenant, channel);
    }
}
