//! The channel layer over Redis's publish/subscribe.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::pubsub_task::run_pubsub;
use super::pubsub_tenant::PubSubTenant;
use super::redis_pubsub_core::RedisPubSubCore;
use super::topic_names::TopicNames;
use crate::channel_table::MemberCardinality;
use crate::redis_common::{WireAddress, announce_connection_changes};
use crate::{
    ChannelLayer, Delivery, LayerError, LayerLimits, LayerQueue, Mailbox, MaybeReady, QueueLoad,
    Recipient,
};
use narrowboat_config::RedisConfig;
use narrowboat_core::message::Message;
use narrowboat_core::name::{ChannelName, GroupName, Tenant};

/// A channel layer over Redis's publish/subscribe.
pub struct RedisPubSubLayer {
    core: Arc<RedisPubSubCore>,
}

impl RedisPubSubLayer {
    /// Creates a layer that connects when it is [started](ChannelLayer::start). `name` is its name in the log.
    #[must_use]
    pub fn new(name: &str, config: &RedisConfig, limits: LayerLimits) -> Self {
        Self { core: RedisPubSubCore::new(name, config, limits) }
    }

    /// Returns the topic whose subscribers are the receivers of a channel, or the number of receivers if it is known
    /// here.
    fn receiver_topic(
        tenant: &PubSubTenant,
        channel: &ChannelName,
    ) -> Result<(usize, String), Option<u64>> {
        let is_open = tenant.local.find_channel(channel.as_str()).is_some();
        if is_open || tenant.topic_names.is_own_channel(channel.as_str()) {
            return Err(Some(u64::from(is_open)));
        }
        // The process of a unique channel subscribes with a pattern, which NUMSUB does not count.
        if tenant.topic_names.is_unique_channel(channel.as_str()) {
            return Err(None);
        }
        Ok(tenant.topic_names.channel_topic(channel))
    }
}

impl Drop for RedisPubSubLayer {
    fn drop(&mut self) {
        self.core.base.abort_tasks();
    }
}

/// Checks that a message to the channel would not reach a group. Channels and groups share the names of topics, and the
/// permission to send to a channel does not include groups.
fn check_not_group_topic(topics: &TopicNames, channel: &ChannelName) -> Result<(), LayerError> {
    match topics.is_group_topic(channel) {
        true => Err(LayerError::Denied {
            reason: format!("{channel} is the topic of a group, not a channel"),
        }),
        false => Ok(()),
    }
}

impl ChannelLayer for RedisPubSubLayer {
    fn queue(&self) -> &dyn LayerQueue {
        &self.core.base
    }

    fn start(&self, runtime: &Handle) {
        let core = &self.core;
        if !core.base.set_runtime(runtime) {
            return;
        }
        core.tenant(&Tenant::default_tenant());
        let weak = Arc::downgrade(core);
        let tenants = move || {
            let tenants = weak.upgrade().map(|core| core.tenants()).unwrap_or_default();
            tenants.iter().map(|tenant| Arc::clone(&tenant.local)).collect()
        };
        let connected = core.base.health.subscribe_connected();
        core.base.spawn(announce_connection_changes(connected, tenants, core.base.limits.expiry));
        core.base.spawn(run_pubsub(Arc::clone(core)));
    }

    fn new_channel<'a>(
        &'a self,
        tenant: &'a Tenant,
    ) -> MaybeReady<'a, Result<Mailbox, LayerError>> {
        let tenant = self.core.tenant(tenant);
        let name = tenant.topic_names.new_channel_name().map_err(LayerError::from);
        MaybeReady::ready(name.and_then(|name| tenant.local.open_channel(&name, None)))
    }

    fn open_channel<'a>(
        &'a self,
        tenant: &'a Tenant,
        channel: &'a ChannelName,
    ) -> MaybeReady<'a, Result<Mailbox, LayerError>> {
        let tenant = self.core.tenant(tenant);
        let mailbox = tenant.local.open_channel(channel, None);
        if mailbox.is_ok() {
            self.core.update_channel_subscription(&tenant, channel);
        }
        MaybeReady::ready(mailbox)
    }

    fn check_send(
        &self,
        tenant: &Tenant,
        channel: &ChannelName,
        pending: QueueLoad,
        len: usize,
    ) -> Result<(), LayerError> {
        let tenant = self.core.tenant(tenant);
        check_not_group_topic(&tenant.topic_names, channel)?;
        self.core.base.check_send(&tenant.local, channel, pending, len)
    }

    fn is_unique(&self, tenant: &Tenant, channel: &ChannelName) -> bool {
        channel.is_process_local()
            || self.core.tenant(tenant).topic_names.is_unique_channel(channel.as_str())
    }

    fn send<'a>(
        &'a self,
        tenant: &'a Tenant,
        channel: &'a ChannelName,
        message: Message,
    ) -> MaybeReady<'a, Result<(), LayerError>> {
        let checked = self.check_send(tenant, channel, QueueLoad::default(), message.len());
        let encoded = checked.and_then(|()| self.core.encode(&message));
        let topic = self.core.tenant(tenant).topic_names.channel_topic(channel);
        MaybeReady::ready(encoded.and_then(|wire| self.core.queue_publish(topic, wire)))
    }

    fn group_add<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> MaybeReady<'a, Result<(), LayerError>> {
        let tenant = self.core.tenant(tenant);
        MaybeReady::ready(tenant.local.group_add(group, channel).map(|member| {
            if member == Some(MemberCardinality::Sole) {
                self.core.update_group_subscription(&tenant, group);
            }
        }))
    }

    fn group_discard<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> MaybeReady<'a, Result<(), LayerError>> {
        let tenant = self.core.tenant(tenant);
        if tenant.local.group_discard(group, channel) == Some(MemberCardinality::Sole) {
            self.core.update_group_subscription(&tenant, group);
        }
        MaybeReady::ready(Ok(()))
    }

    fn deliver_to_group<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        delivery: Delivery,
    ) -> MaybeReady<'a, Result<(), LayerError>> {
        let base = &self.core.base;
        let [messages, frames] = self.core.tenant(tenant).topic_names.group_topics(group);
        MaybeReady::ready(match delivery {
            Delivery::Message(message) => {
                self.core.encode(&message).and_then(|wire| self.core.queue_publish(messages, wire))
            }
            Delivery::Frame(frame) => base.limits.check_len(frame.len()).and_then(|()| {
                let wire = base.codec.encode_frame(&frame, WireAddress::Implicit);
                self.core.queue_publish(frames, wire)
            }),
        })
    }

    fn receiver_count<'a>(
        &'a self,
        tenant: &'a Tenant,
        to: Recipient<'a>,
    ) -> MaybeReady<'a, Result<Option<u64>, LayerError>> {
        let tenant = self.core.tenant(tenant);
        let (shard, topic) = match to {
            Recipient::Group(group) => {
                let [messages, _] = tenant.topic_names.group_topics(group);
                messages
            }
            Recipient::Channel(channel) => match Self::receiver_topic(&tenant, channel) {
                Ok(topic) => topic,
                Err(count) => return MaybeReady::ready(Ok(count)),
            },
        };
        MaybeReady::pending(async move {
            let mut count = redis::cmd("PUBSUB");
            count.arg("NUMSUB").arg(topic);
            let (_, count): (String, u64) = self.core.base.query(shard, &count).await?;
            Ok(Some(count))
        })
    }

    fn flush<'a>(&'a self, tenant: &'a Tenant) -> MaybeReady<'a, Result<(), LayerError>> {
        MaybeReady::pending(async {
            let tenant = self.core.tenant(tenant);
            // Redis replies to a repeated subscription after it has delivered what was published before.
            self.core.subscribe_own_channels(&tenant);
            self.core.base.wait_until_processed().await?;
            // A message that arrives from now on was sent later, or had not left its sender.
            let groups = tenant.local.group_names();
            tenant.local.flush();
            for group in groups {
                self.core.update_group_subscription(&tenant, &group);
            }
            self.core.base.wait_until_processed().await
        })
    }

    fn try_acquire_lease<'a>(
        &'a self,
        tenant: &'a Tenant,
        name: &'a ChannelName,
        period: Duration,
    ) -> MaybeReady<'a, Result<bool, LayerError>> {
        let (shard, key) = self.core.tenant(tenant).topic_names.lease_key(name);
        self.core.base.try_acquire_lease(shard, key, period)
    }
}

impl fmt::Debug for RedisPubSubLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisPubSubLayer").finish_non_exhaustive()
    }
}
