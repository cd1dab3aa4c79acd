//! The layer of many processes, in Redis's sorted sets: channels_redis's `RedisChannelLayer`, byte for byte.
//!
//! What is asked for goes through one [queue](queue), in order, and leaves in batches by one [task](pipeline); what is
//! for this process's channels is read by one [reader] a key, which puts it into mailboxes kept [here](super::local).

pub(super) mod base;
mod check;
mod clock;
mod core;
mod flush;
pub(super) mod health;
pub(super) mod keys;
mod members;
mod memberships;
mod op;
pub(super) mod pipeline;
pub(super) mod queue;
mod reader;
mod scripts;
mod stage;
pub(super) mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use self::base::unanswered;
use self::core::{Core, World};
use self::op::{Op, Put};
use self::wire::To;
use super::{
    Answer, ChannelLayer, Delivery, LayerError, LayerLimits, LayerStatus, Mailbox, Pending,
    Receiver,
};
use narrowboat_config::RedisConfig;
use narrowboat_core::frame::Frame;
use narrowboat_core::message::Message;
use narrowboat_core::name::{ChannelName, GroupName, Tenant};

/// A channel layer in Redis. Nothing that is asked of it is waited for: it is queued, and an answer that matters to the
/// asker comes later.
pub struct RedisLayer(Arc<Core>);

impl RedisLayer {
    /// A layer that connects once it is [started](ChannelLayer::start). `name` is for the log.
    #[must_use]
    pub fn new(name: &str, config: &RedisConfig, limits: LayerLimits) -> Self {
        Self(Core::new(name, config, limits))
    }
}

impl Drop for RedisLayer {
    fn drop(&mut self) {
        self.0.base.stop();
    }
}

impl ChannelLayer for RedisLayer {
    fn start(&self, runtime: &Handle) {
        self.0.start(runtime);
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
        self.0.base.probe(&self.0.world(tenant).local, channel, pending, len)
    }

    fn probe_group(
        &self,
        _tenant: &Tenant,
        pending: Pending,
        len: usize,
    ) -> Result<(), LayerError> {
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
        let core = &self.0;
        if let Err(error) = self.probe(tenant, channel, Pending::default(), message.len()) {
            return Answer::ready(Err(error));
        }
        let world = core.world(tenant);
        let place = channel.place();
        let to = if channel.is_unique() { To::Channel(channel.as_str()) } else { To::Key };
        let wire = match core.base.codec.encode(&message, to) {
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
            at: tokio::time::Instant::now(),
            score: None,
            capacity: members::capacity(core, place),
            wire,
            receivers: 1,
            reply: Some((channel.clone(), reply)),
        };
        match core.base.push_message(Op::Put(put)) {
            Ok(()) => Answer::told(answer, || Err(unanswered())),
            Err(error) => Answer::ready(Err(error)),
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
                core.join(world, group, channel);
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
        self.0.leave(world, group, channel);
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

    fn receivers<'a>(
        &'a self,
        tenant: &'a Tenant,
        to: Receiver<'a>,
    ) -> Answer<'a, Result<Option<u64>, LayerError>> {
        let (core, world) = (&self.0, self.0.world(tenant));
        let group = match to {
            Receiver::Group(group) => group,
            Receiver::Channel(channel) => {
                let is_open = world.local.find(channel.as_str()).is_some();
                let is_known = is_open || channel.place() == core.own_place();
                return Answer::ready(Ok(is_known.then_some(u64::from(is_open))));
            }
        };
        Answer::pending(async move {
            let oldest = core.clock.now() - core.base.limits.group_expiry.as_secs_f64();
            let mut count = redis::cmd("ZCOUNT");
            count.arg(world.keys.group(group)).arg(oldest).arg("+inf");
            core.base.ask(world.keys.shard(group.as_str()), &count).await.map(Some)
        })
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
        self.0.base.claim(keys.shard(name.as_str()), keys.turn(name.as_str()), period)
    }

    fn confirm(&self) -> Answer<'_, Result<(), LayerError>> {
        self.0.base.confirm()
    }

    fn carried(&self) -> Answer<'_, Result<(), LayerError>> {
        Answer::pending(self.0.carried())
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
