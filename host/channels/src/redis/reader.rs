//! The tasks that take messages out of their keys and put them into mailboxes.

mod key_popper;
mod named_channel_reader;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis::RedisResult;
use tokio::time::sleep;

use self::key_popper::{KeyPopper, PopResult};
use super::health::Health;
use super::pipeline::reconnect_delays;
use super::{RedisLayerCore, RedisTenant};
use narrowboat_redis_client::ErrorClass;

pub(super) use named_channel_reader::{NamedChannelReader, run as run_named};

/// The longest that Redis lets a reader wait for a message.
const MAX_BLOCKING_WAIT: Duration = Duration::from_secs(5);

/// The shortest, and how long it waits the first time on a connection: whether a reader is refused is to be known at
/// once.
const MIN_BLOCKING_WAIT: Duration = Duration::from_millis(10);

/// How long that answer may take.
const REPLY_TIMEOUT: Duration = Duration::from_secs(8);

/// Messages taken with the one that was waited for.
const EXTRA_POP_COUNT: usize = 63;

/// Reads the key of one place for ever, for any number of channels of it.
pub(super) async fn run_key_reader(
    core: Arc<RedisLayerCore>,
    world: Arc<RedisTenant>,
    place: String,
    shard: usize,
) {
    let key = world.keys.messages(&place);
    let lasts = core.pop_timeout();
    // Nobody else knows the name of this process before it does.
    let mut pops =
        KeyPopper::new(&key, EXTRA_POP_COUNT, &core.base.limits, place == core.own_prefix());
    let link = core.base.health.register_extra_connection();
    let mut restarts = core.subscribe_restarts();
    let mut attempts = reconnect_delays();
    loop {
        let read = async {
            let mut connection = core.base.servers[shard].connect(lasts).await?;
            // Whoever may not ask cannot end a pop that was given up on, and no more.
            let number = redis::cmd("CLIENT").arg("ID").query_async(&mut connection).await;
            pops.set_connection(number.unwrap_or_default());
            let mut is_up = false;
            loop {
                let mut popped = pops.next_messages(&connection).await?;
                let refused = popped.error.take();
                core.deliver_popped(&world, &place, &key, popped);
                refused.map_or(Ok(()), Err)?;
                if !is_up && pops.has_succeeded() {
                    is_up = true;
                    link.mark_up();
                    attempts = reconnect_delays();
                }
            }
        };
        let read: RedisResult<()> = tokio::select! {
            read = read => read,
            _ = restarts.changed() => {
                pops.abandon_current();
                continue;
            }
        };
        pops.abandon_current();
        if let Err(error) = read {
            let is_cleared = ErrorClass::of(&error) == ErrorClass::Key && {
                core.base.health.record_unexpected_value(&key, &error);
                delete_key(&core, shard, &key).await
            };
            if !is_cleared {
                link.mark_down(core.base.servers[shard].name(), &error);
                core.self_test_requested.notify_one();
            }
        }
        sleep(attempts.next().unwrap_or(REPLY_TIMEOUT)).await;
    }
}

/// Deletes what somebody else has put where only messages for this process can be.
/// Whether that was done.
async fn delete_key(core: &RedisLayerCore, shard: usize, key: &str) -> bool {
    let clearing = async {
        let mut connection = core.base.servers[shard].connect(REPLY_TIMEOUT).await?;
        redis::cmd("DEL").arg(key).query_async(&mut connection).await
    };
    let cleared: RedisResult<i64> = clearing.await;
    if let Err(error) = &cleared {
        tracing::debug!(key, "not cleared: {error}");
    }
    cleared.is_ok()
}

impl RedisLayerCore {
    /// How long a pop may be answered: what it would bring later has expired.
    fn pop_timeout(&self) -> Duration {
        key_popper::pop_timeout(&self.base.limits)
    }

    /// How long a message lasts that was taken from a key; `None`, and counted, if it has expired.
    fn remaining_lifetime(
        &self,
        key: &str,
        score: f64,
        waited: Option<Duration>,
    ) -> Option<Duration> {
        let lasts = self.clock.remaining_lifetime(score, self.base.limits.expiry, waited);
        if lasts.is_none() {
            self.base.health.record_expired(key);
        }
        lasts
    }

    /// Puts messages into the mailboxes they are for.
    fn deliver_popped(&self, world: &RedisTenant, place: &str, key: &str, popped: PopResult) {
        for (wire, score) in popped.messages {
            let Some(lasts) = self.remaining_lifetime(key, score, popped.max_wait) else {
                continue;
            };
            match self.base.codec.decode(Bytes::from(wire)) {
                Ok(parcel) => {
                    let dropped = if parcel.is_addressed() {
                        world.local.deliver_to_channels(parcel.names(), &parcel.delivery, lasts)
                    } else {
                        world.local.deliver_to_channels(
                            std::iter::once(place),
                            &parcel.delivery,
                            lasts,
                        )
                    };
                    Health::count(&self.base.health.dropped, dropped);
                }
                Err(error) => self.base.health.record_decode_error(key, &error),
            }
        }
    }
}
