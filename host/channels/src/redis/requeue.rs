//! Putting messages that nobody read back into their keys.

use tokio::time::Instant;

use super::named_channel_reader::NamedChannelReader;
use super::redis_layer_core::RedisLayerCore;
use super::redis_op::{KeyMessage, RedisOp};
use super::redis_tenant::RedisTenant;
use crate::Delivery;
use crate::process_channel::UnreadDeliveries;
use crate::redis_common::{LayerHealth, WireAddress};
use narrowboat_core::message::Message;
use narrowboat_core::name::ChannelName;

impl RedisLayerCore {
    /// Puts an encoded message back into its key, at its place there.
    pub(super) fn requeue_encoded(
        &self,
        tenant: &RedisTenant,
        key: &str,
        (wire, score): (Vec<u8>, f64),
    ) {
        let message = KeyMessage {
            shard: tenant.keys.shard_of(key.strip_prefix(tenant.keys.prefix()).unwrap_or(key)),
            key: key.to_owned(),
            sent_at: Instant::now(),
            score: Some(score),
            capacity: usize::MAX >> 1,
            wire,
            receiver_count: 1,
            reply: None,
        };
        self.base.queue.push_unbounded(RedisOp::PutMessage(message));
    }

    /// Encodes a message and puts it back into its key, at its place there.
    pub(super) fn requeue_message(
        &self,
        tenant: &RedisTenant,
        key: &str,
        (message, score): (&Message, f64),
    ) {
        match self.base.codec.encode(message, WireAddress::Implicit) {
            Ok(wire) => self.requeue_encoded(tenant, key, (wire, score)),
            Err(_) => LayerHealth::add_to_counter(&self.base.health.lost, 1),
        }
    }

    /// Puts the unread messages of a mailbox back into the channel's key, at their places there.
    pub(super) fn requeue_unread(
        &self,
        tenant: &RedisTenant,
        name: &ChannelName,
        reader: &NamedChannelReader,
        unread: UnreadDeliveries,
    ) {
        let key = tenant.keys.message_key(name.as_str());
        for (lifetime, delivery) in unread {
            let Delivery::Message(message) = delivery else { continue };
            let score = reader.score_of(&message).unwrap_or_else(|| {
                let age = self.base.limits.expiry.saturating_sub(lifetime);
                self.clock.now() - age.as_secs_f64()
            });
            self.requeue_message(tenant, &key, (&message, score));
        }
    }
}
