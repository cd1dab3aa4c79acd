//! The task that reads a key for any number of channels.

use std::sync::Arc;

use bytes::Bytes;
use redis::RedisResult;
use tokio::time::sleep;

use super::key_popper::{KeyPopper, PopResult, REPLY_TIMEOUT, pop_timeout};
use super::redis_layer_core::RedisLayerCore;
use super::redis_tenant::RedisTenant;
use crate::redis_common::{LayerHealth, reconnect_delays};
use narrowboat_redis_client::ErrorClass;

/// The number of messages that a pop takes beyond the one that it waits for.
const EXTRA_POP_COUNT: usize = 63;

/// Reads the key of the channels with a prefix, on one host, for ever.
pub(super) async fn run_key_reader(
    core: Arc<RedisLayerCore>,
    tenant: Arc<RedisTenant>,
    prefix: String,
    shard: usize,
) {
    let key = tenant.keys.message_key(&prefix);
    // No other process knows the name of this process yet.
    let is_new = prefix == core.own_prefix();
    let mut popper = KeyPopper::new(&key, EXTRA_POP_COUNT, &core.base.limits, is_new);
    let connection_health = core.base.health.register_extra_connection();
    let mut restarts = core.subscribe_restarts();
    let mut delays = reconnect_delays();
    loop {
        let read = async {
            let mut connection =
                core.base.servers[shard].connect(pop_timeout(&core.base.limits)).await?;
            // Without the permission for this command, abandoned pops cannot be ended early, and nothing else fails.
            let connection_id = redis::cmd("CLIENT").arg("ID").query_async(&mut connection).await;
            popper.set_connection(connection_id.unwrap_or_default());
            let mut is_up = false;
            loop {
                let mut popped = popper.next_messages(&connection).await?;
                let error = popped.error.take();
                core.deliver_popped(&tenant, &prefix, &key, popped);
                error.map_or(Ok(()), Err)?;
                if !is_up && popper.has_succeeded() {
                    is_up = true;
                    connection_health.mark_up();
                    delays = reconnect_delays();
                }
            }
        };
        let read: RedisResult<()> = tokio::select! {
            read = read => read,
            _ = restarts.changed() => {
                popper.abandon_current();
                continue;
            }
        };
        popper.abandon_current();
        if let Err(error) = read {
            let is_deleted = ErrorClass::of(&error) == ErrorClass::Key && {
                core.base.health.record_unexpected_value(&key, &error);
                delete_key(&core, shard, &key).await
            };
            if !is_deleted {
                connection_health.mark_down(core.base.servers[shard].name(), &error);
                core.self_test_requested.notify_one();
            }
        }
        sleep(delays.next().unwrap_or(REPLY_TIMEOUT)).await;
    }
}

/// Deletes a key of another type, since only messages for this process belong there. Returns whether that succeeded.
async fn delete_key(core: &RedisLayerCore, shard: usize, key: &str) -> bool {
    let deleting = async {
        let mut connection = core.base.servers[shard].connect(REPLY_TIMEOUT).await?;
        redis::cmd("DEL").arg(key).query_async(&mut connection).await
    };
    let deleted: RedisResult<i64> = deleting.await;
    if let Err(error) = &deleted {
        tracing::debug!(key, %error, "key of another type not deleted");
    }
    deleted.is_ok()
}

impl RedisLayerCore {
    /// Puts messages into the mailboxes of their recipients. A message without an address is for the channel `prefix`.
    fn deliver_popped(&self, tenant: &RedisTenant, prefix: &str, key: &str, popped: PopResult) {
        for (wire, score) in popped.messages {
            let Some(lifetime) = self.remaining_lifetime(key, score, popped.max_wait) else {
                continue;
            };
            let decoded = match self.base.codec.decode(Bytes::from(wire)) {
                Ok(decoded) => decoded,
                Err(error) => {
                    self.base.health.record_decode_error(key, &error);
                    continue;
                }
            };
            let (local, delivery) = (&tenant.local, &decoded.delivery);
            let dropped = if decoded.is_addressed() {
                local.deliver_to_channels(decoded.names(), delivery, lifetime)
            } else {
                local.deliver_to_channels(std::iter::once(prefix), delivery, lifetime)
            };
            LayerHealth::add_to_counter(&self.base.health.dropped, dropped);
        }
    }
}
