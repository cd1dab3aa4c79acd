//! The layer of many processes, in Redis's sorted sets: channels_redis's `RedisChannelLayer`, byte for byte.
//!
//! What is asked for goes through one [queue](queue), in order, and leaves in batches by one [task](pipeline); what is
//! for this process's channels is read by one [reader] a key, which puts it into mailboxes kept [here](super::process_channels).

mod flush_tenant;
pub(super) mod health;
mod health_check;
pub(super) mod layer_base;
mod layer_core;
mod members_by_key;
mod membership_writer;
pub(super) mod operation_queue;
pub(super) mod pipeline;
mod reader;
pub(super) mod redis_keys;
mod redis_op;
mod round_trip;
mod score_clock;
mod scripts;
pub(super) mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use self::layer_base::unanswered_error;
use self::layer_core::{RedisLayerCore, RedisTenant};
use self::redis_op::{KeyMessage, RedisOp};
use self::wire::WireAddress;
use super::{
    ChannelLayer, Delivery, LayerError, LayerLimits, LayerStatus, Mailbox, MaybeReady, QueueLoad,
    Recipient,
};
use narrowboat_config::RedisConfig;
use narrowboat_core::frame::Frame;
use narrowboat_core::message::Message;
use narrowboat_core::name::{ChannelName, GroupName, Tenant};

/// A channel layer in Redis. Nothing that is asked of it is waited for: it is queued, and an answer that matters to the
/// asker comes later.
pub struct RedisLayer(Arc<RedisLayerCore>);

impl RedisLayer {
    /// A layer that connects once it is [started](ChannelLayer::start). `name` is for the log.
    #[must_use]
    pub fn new(name: &str, config: &RedisConfig, limits: LayerLimits) -> Self {
        Self(RedisLayerCore::new(name, config, limits))
    }
}

impl Drop for RedisLayer {
    fn drop(&mut self) {
        self.0.base.abort_tasks();
    }
}

impl ChannelLayer for RedisLayer {
    fn start(&self, runtime: &Handle) {
        self.0.start(runtime);
    }

    fn new_channel<'a>(
        &'a self,
        tenant: &'a Tenant,
    ) -> MaybeReady<'a, Result<Mailbox, LayerError>> {
        let name = ChannelName::unique(&self.0.process);
        MaybeReady::ready(self.0.tenant(tenant).local.open_channel(&name, None))
    }

    fn open_channel<'a>(
        &'a self,
        tenant: &'a Tenant,
        channel: &'a ChannelName,
    ) -> MaybeReady<'a, Result<Mailbox, LayerError>> {
        MaybeReady::ready(self.0.open_channel(&self.0.tenant(tenant), channel))
    }

    fn check_send(
        &self,
        tenant: &Tenant,
        channel: &ChannelName,
        pending: QueueLoad,
        len: usize,
    ) -> Result<(), LayerError> {
        self.0.base.check_send(&self.0.tenant(tenant).local, channel, pending, len)
    }

    fn check_group_send(
        &self,
        _tenant: &Tenant,
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
        let core = &self.0;
        if let Err(error) = self.check_send(tenant, channel, QueueLoad::default(), message.len()) {
            return MaybeReady::ready(Err(error));
        }
        let world = core.tenant(tenant);
        let place = channel.prefix();
        let to = if channel.is_process_local() {
            WireAddress::Channel(channel.as_str())
        } else {
            WireAddress::Implicit
        };
        let wire = match core.base.codec.encode(&message, to) {
            Ok(wire) => wire,
            Err(error) => {
                let reason = error.to_string();
                return MaybeReady::ready(Err(LayerError::Unserializable { reason }));
            }
        };
        let (reply, answer) = oneshot::channel();
        let put = KeyMessage {
            shard: world.keys.shard(place),
            key: world.keys.messages(place),
            at: tokio::time::Instant::now(),
            score: None,
            capacity: members_by_key::key_capacity(core, place),
            wire,
            receiver_count: 1,
            reply: Some((channel.clone(), reply)),
        };
        match core.base.push_message(RedisOp::PutMessage(put)) {
            Ok(()) => MaybeReady::from_reply(answer, || Err(unanswered_error())),
            Err(error) => MaybeReady::ready(Err(error)),
        }
    }

    fn group_add<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        channel: &'a ChannelName,
    ) -> MaybeReady<'a, Result<(), LayerError>> {
        let core = &self.0;
        let world = core.tenant(tenant);
        MaybeReady::ready(match world.local.group_add(group, channel) {
            // A channel of this process that is not open has ended.
            Ok(None) if channel.prefix() == core.own_prefix() => Ok(()),
            Ok(_) => {
                core.queue_group_add(world, group, channel);
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
        let world = self.0.tenant(tenant);
        world.local.group_discard(group, channel);
        self.0.queue_group_discard(world, group, channel);
        MaybeReady::ready(Ok(()))
    }

    fn group_send<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        message: Message,
    ) -> MaybeReady<'a, Result<(), LayerError>> {
        MaybeReady::ready(self.0.send_to_group(tenant, group, Delivery::Message(message)))
    }

    fn group_send_frame<'a>(
        &'a self,
        tenant: &'a Tenant,
        group: &'a GroupName,
        frame: Frame,
    ) -> MaybeReady<'a, Result<(), LayerError>> {
        MaybeReady::ready(self.0.send_to_group(tenant, group, Delivery::Frame(frame)))
    }

    fn receiver_count<'a>(
        &'a self,
        tenant: &'a Tenant,
        to: Recipient<'a>,
    ) -> MaybeReady<'a, Result<Option<u64>, LayerError>> {
        let (core, world) = (&self.0, self.0.tenant(tenant));
        let group = match to {
            Recipient::Group(group) => group,
            Recipient::Channel(channel) => {
                let is_open = world.local.find_channel(channel.as_str()).is_some();
                let is_known = is_open || channel.prefix() == core.own_prefix();
                return MaybeReady::ready(Ok(is_known.then_some(u64::from(is_open))));
            }
        };
        MaybeReady::pending(async move {
            let oldest = core.clock.now() - core.base.limits.group_expiry.as_secs_f64();
            let mut count = redis::cmd("ZCOUNT");
            count.arg(world.keys.group_key(group)).arg(oldest).arg("+inf");
            core.base.query(world.keys.shard(group.as_str()), &count).await.map(Some)
        })
    }

    fn flush<'a>(&'a self, tenant: &'a Tenant) -> MaybeReady<'a, Result<(), LayerError>> {
        MaybeReady::pending(self.0.flush(tenant))
    }

    fn claim<'a>(
        &'a self,
        tenant: &'a Tenant,
        name: &'a ChannelName,
        period: Duration,
    ) -> MaybeReady<'a, Result<bool, LayerError>> {
        let keys = &self.0.tenant(tenant).keys;
        self.0.base.claim(keys.shard(name.as_str()), keys.lease_key(name.as_str()), period)
    }

    fn wait_for_memberships(&self) -> MaybeReady<'_, Result<(), LayerError>> {
        self.0.base.wait_for_memberships()
    }

    fn wait_until_sent(&self) -> MaybeReady<'_, Result<(), LayerError>> {
        MaybeReady::pending(self.0.wait_until_sent())
    }

    fn status(&self) -> LayerStatus {
        self.0.base.status()
    }
}

impl fmt::Debug for RedisLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLayer").field("process", &self.0.process).finish_non_exhaustive()
    }
}
