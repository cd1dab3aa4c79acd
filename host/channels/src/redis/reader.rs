//! The tasks that take messages out of their keys and put them into mailboxes.

mod named;
mod pops;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis::RedisResult;
use tokio::time::sleep;

use self::pops::{Popped, Pops};
use super::health::Health;
use super::pipeline::pauses;
use super::{Core, World};
use narrowboat_redis_client::ErrorClass;

pub(super) use named::{NamedReader, run as run_named};

/// The longest that Redis lets a reader wait for a message.
const WAIT: Duration = Duration::from_secs(5);

/// The shortest, and how long it waits the first time on a connection: whether a reader is refused is to be known at
/// once.
const BRIEF: Duration = Duration::from_millis(10);

/// How long that answer may take.
const ANSWER: Duration = Duration::from_secs(8);

/// Messages taken with the one that was waited for.
const MORE: usize = 63;

/// Reads the key of one place for ever, for any number of channels of it.
pub(super) async fn run(core: Arc<Core>, world: Arc<World>, place: String, shard: usize) {
    let key = world.keys.messages(&place);
    let lasts = core.pop_lasts();
    // Nobody else knows the name of this process before it does.
    let mut pops = Pops::new(&key, MORE, &core.base.limits, place == core.own_place());
    let link = core.base.health.further_link();
    let mut restarts = core.restarts();
    let mut attempts = pauses();
    loop {
        let read = async {
            let mut connection = core.base.servers[shard].connect(lasts).await?;
            // Whoever may not ask cannot end a pop that was given up on, and no more.
            let number = redis::cmd("CLIENT").arg("ID").query_async(&mut connection).await;
            pops.connected(number.unwrap_or_default());
            let mut is_up = false;
            loop {
                let mut popped = pops.next(&connection).await?;
                let refused = popped.refused.take();
                core.deliver(&world, &place, &key, popped);
                refused.map_or(Ok(()), Err)?;
                if !is_up && pops.has_passed() {
                    is_up = true;
                    link.up();
                    attempts = pauses();
                }
            }
        };
        let read: RedisResult<()> = tokio::select! {
            read = read => read,
            _ = restarts.changed() => {
                pops.give_up();
                continue;
            }
        };
        pops.give_up();
        if let Err(error) = read {
            let is_cleared = ErrorClass::of(&error) == ErrorClass::Key && {
                core.base.health.note_foreign(&key, &error);
                clear(&core, shard, &key).await
            };
            if !is_cleared {
                link.down(core.base.servers[shard].name(), &error);
                core.suspicion.notify_one();
            }
        }
        sleep(attempts.next().unwrap_or(ANSWER)).await;
    }
}

/// Deletes what somebody else has put where only messages for this process can be.
/// Whether that was done.
async fn clear(core: &Core, shard: usize, key: &str) -> bool {
    let clearing = async {
        let mut connection = core.base.servers[shard].connect(ANSWER).await?;
        redis::cmd("DEL").arg(key).query_async(&mut connection).await
    };
    let cleared: RedisResult<i64> = clearing.await;
    if let Err(error) = &cleared {
        tracing::debug!(key, "not cleared: {error}");
    }
    cleared.is_ok()
}

impl Core {
    /// How long a pop may be answered: what it would bring later has expired.
    fn pop_lasts(&self) -> Duration {
        pops::lasts(&self.base.limits)
    }

    /// How long a message lasts that was taken from a key; `None`, and counted, if it has expired.
    fn lasts(&self, key: &str, score: f64, waited: Option<Duration>) -> Option<Duration> {
        let lasts = self.clock.left(score, self.base.limits.expiry, waited);
        if lasts.is_none() {
            self.base.health.note_expired(key);
        }
        lasts
    }

    /// Puts messages into the mailboxes they are for.
    fn deliver(&self, world: &World, place: &str, key: &str, popped: Popped) {
        for (wire, score) in popped.messages {
            let Some(lasts) = self.lasts(key, score, popped.waited) else { continue };
            match self.base.codec.decode(Bytes::from(wire)) {
                Ok(parcel) => {
                    let dropped = if parcel.is_addressed() {
                        world.local.deliver(parcel.names(), &parcel.delivery, lasts)
                    } else {
                        world.local.deliver(std::iter::once(place), &parcel.delivery, lasts)
                    };
                    Health::count(&self.base.health.dropped, dropped);
                }
                Err(error) => self.base.health.note_unreadable(key, &error),
            }
        }
    }
}
