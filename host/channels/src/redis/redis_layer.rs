//! The channel layer over Redis's sorted sets.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::channel_opener::{open_channel, spawn_own_key_readers};
use super::members_by_key::key_capacity;
use super::pipeline::run_pipeline;
use super::redis_layer_core::RedisLayerCore;
use super::redis_op::{GroupSend, KeyMessage, RedisOp};
use super::redis_tenant::RedisTenant;
use crate::redis_common::{WireAddress, announce_connection_changes, no_reply_error};
use crate::{
    ChannelLayer, Delivery, LayerError, LayerLimits, LayerQueue, Mailbox, MaybeReady, QueueLoad,
    Recipient,
};
use narrowboat_config::RedisConfig;
use narrowboat_core::message::Message;
use narrowboat_core::name::{ChannelName, GroupName, Tenant};

/// A channel layer over Redis's sorted sets. No method waits for Redis: it queues an operation, and a result that the
/// caller needs comes later.
pub struct RedisLayer {
    core: Arc<RedisLayerCore>,
}

impl RedisLayer {
    /// Creates a layer that connects when it is [started](ChannelLayer::start). `name` is its name in the log.
    #[must_use]
    pub fn new(name: &str, config: &RedisConfig, limits: LayerLimits) -> Self {
        Self { core: RedisLayerCore::new(name, config, limits) }
    }

    /// Returns a tenant, for which this process's own keys are read if the layer was started.
    fn tenant(&self, tenant: &Tenant) -> Arc<RedisTenant> {
        let tenant = self.core.tenant(tenant);
        spawn_own_key_readers(&self.core, &tenant);
        tenant
    }

    /// Queues a message to one channel.
    fn queue_message(
        &self,
        tenant: &RedisTenant,
        channel: &ChannelName,
        message: &Message,
    ) -> Result<oneshot::Receiver<Result<(), LayerError>>, LayerError> {
        let base = &self.core.base;
        base.check_send(&tenant.local, channel, QueueLoad::default(), message.len())?;
        let prefix = channel.prefix();
        let address = if channel.is_process_local() {
            WireAddress::Channel(channel.as_str())
        } else {
            WireAddress::Implicit
        };
        let wire = base
            .codec
            .encode(message, address)
            .map_err(|error| LayerError::Unserializable { reason: error.to_string() })?;
        let (reply, result) = oneshot::channel();
        base.push_message(RedisOp::PutMessage(KeyMessage {
            shard: tenant.keys.shard_of(prefix),
            key: tenant.keys.message_key(prefix),
            sent_at: Instant::now(),
            score: None,
            capacity: key_capacity(&self.core, prefix),
            wire,
            receiver_count: 1,
            reply: Some((channel.clone(), reply)),
        }))?;
        Ok(result)
    }
}

impl Drop for RedisLayer {
    fn drop(&mut self) {
        self.core.base.abort_tasks();
    }
}

impl ChannelLayer for RedisLayer {
    fn queue(&self) -> &dyn LayerQueue {
        &self.core.base
    }

    fn start(&self, runtime: &Handle) {
        let base = &self.core.base;
        if !base.set_runtime(runtime) {
            return;
        }
        base.spawn(run_pipeline(Arc::clone(&self.core)));
        let weak = Arc::downgrade(&self.core);
        let tenants = move || {
            let tenants = weak.upgrade().map(|core| core.tenants()).unwrap_or_default();
            tenants.iter().map(|tenant| Arc::clone(&tenant.local)).collect()
        };
        let connected = base.health.subscribe_connected();
        base.spawn(announce_connection_changes(connected, tenants, base.limits.expiry));
        for tenant in self.core.tenants() {
            spawn_own_key_readers(&self.core, &tenant);
        }
        // Connect for the default tenant before the first socket is accepted.
        self.tenant(&Tenant::default_tenant());
    }

    fn new_channel<'a>(
        &'a self,
        tenant: &'a Tenant,
    ) -> MaybeReady<'a, Result<Mailbox, LayerError>> {
        let name = ChannelName::unique(&self.core.process);
        MaybeReady::ready(self.tenant(tenant).local.open_channel(&name, None))
    }

    fn open_channel<'a>(
        &'a self,
        tenant: &'a Tenant,
        channel: &'a ChannelName,
    ) -> MaybeReady<'a, Result<Mailbox, LayerError>> {
        MaybeReady::ready(open_channel(&self.core, &self.tenant(tenant), channel))
    }

    fn check_send(
        &self,
        tenant: &Tenant,
        channel: &ChannelName,
        pending: QueueLoad,
        len: usize,
    ) -> Result<(), LayerError> {
        self.core.base.check_send(&self.tenant(tenant).local, channel, pending, len)
    }

    fn send<'a>(
        &'a self,
        tenant: &'a Tenant,
        channel: &'a ChannelName,
        message: Message,
    ) -> MaybeReady<'a, Result<(), LayerError>> {
        match self.queue_message(&self.tenant(tenant), channel, &message) {
            Ok(result) => MaybeReady::from_reply(result, || Err(no_reply_error())),
            Err(error) => MaybeReady::ready(Err(error)),
        }
    }

    fn group_add<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> MaybeReady<'a, Result<(), LayerError>> {
        let tenant = self.tenant(tenant);
        MaybeReady::ready(match tenant.local.group_add(group, channel) {
            // A channel of this process that is not open has ended.
            Ok(None) if channel.prefix() == self.core.own_prefix() => Ok(()),
            Ok(_) => {
                self.core.queue_group_add(tenant, group, channel);
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
    ) -> MaybeReady<'a, Result<(), LayerError>> {
        let tenant = self.tenant(tenant);
        tenant.local.group_discard(group, channel);
        self.core.queue_group_discard(tenant, group, channel);
        MaybeReady::ready(Ok(()))
    }

    fn deliver_to_group<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        delivery: Delivery,
    ) -> MaybeReady<'a, Result<(), LayerError>> {
        let base = &self.core.base;
        MaybeReady::ready(base.limits.check_len(delivery.len()).and_then(|()| {
            base.push_message(RedisOp::GroupSend(GroupSend {
                tenant: self.tenant(tenant),
                group: group.clone(),
                delivery,
                sent_at: Instant::now(),
            }))
        }))
    }

    fn receiver_count<'a>(
        &'a self,
        tenant: &'a Tenant,
        to: Recipient<'a>,
    ) -> MaybeReady<'a, Result<Option<u64>, LayerError>> {
        let tenant = self.tenant(tenant);
        let core = &self.core;
        let group = match to {
            Recipient::Group(group) => group,
            Recipient::Channel(channel) => {
                let is_open = tenant.local.find_channel(channel.as_str()).is_some();
                let is_known = is_open || channel.prefix() == core.own_prefix();
                return MaybeReady::ready(Ok(is_known.then_some(u64::from(is_open))));
            }
        };
        MaybeReady::pending(async move {
            let oldest = core.clock.now() - core.base.limits.group_expiry.as_secs_f64();
            let mut count = redis::cmd("ZCOUNT");
            count.arg(tenant.keys.group_key(group)).arg(oldest).arg("+inf");
            core.base.query(tenant.keys.shard_of(group.as_str()), &count).await.map(Some)
        })
    }

    fn flush<'a>(&'a self, tenant: &'a Tenant) -> MaybeReady<'a, Result<(), LayerError>> {
        MaybeReady::pending(self.core.flush(tenant))
    }

    fn try_acquire_lease<'a>(
        &'a self,
        tenant: &'a Tenant,
        name: &'a ChannelName,
        period: Duration,
    ) -> MaybeReady<'a, Result<bool, LayerError>> {
        let keys = &self.tenant(tenant).keys;
        let (shard, key) = (keys.shard_of(name.as_str()), keys.lease_key(name.as_str()));
        self.core.base.try_acquire_lease(shard, key, period)
    }

    /// Waits also for messages that closed readers of named channels put back.
    fn wait_until_sent(&self) -> MaybeReady<'_, Result<(), LayerError>> {
        MaybeReady::pending(self.core.wait_until_sent())
    }
}

impl fmt::Debug for RedisLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLayer").field("process", &self.core.process).finish_non_exhaustive()
    }
}
