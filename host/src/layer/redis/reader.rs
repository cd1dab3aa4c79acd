//! The tasks that take messages out of their keys and put them into mailboxes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisError, RedisResult, Value};
use tokio::sync::{Notify, Semaphore};
use tokio::time::sleep;

use super::error_class::ErrorClass;
use super::health::Health;
use super::op::{Op, Put};
use super::pipeline::pauses;
use super::wire::To;
use super::{Core, World};
use crate::layer::{Delivery, local};
use crate::name::ChannelName;

/// Seconds that Redis lets a reader wait for a message.
const WAIT: f64 = 5.0;

/// The same the first time on a connection: whether a reader is refused is to be known at once.
const BRIEF: f64 = 0.01;

/// How long that answer may take.
const ANSWER: Duration = Duration::from_secs(8);

/// Messages taken with the one that was waited for.
const MORE: usize = 63;

/// A message as it was taken from a key, and its score there.
type Taken = (Vec<u8>, f64);

/// Reads the key of one place for ever, for any number of channels of it.
pub(super) async fn run(core: Arc<Core>, world: Arc<World>, place: String, shard: usize) {
    let key = world.keys.messages(&place);
    let take = |wait: f64| {
        let mut take = Pipeline::new();
        take.cmd("BZPOPMIN").arg(&key).arg(wait).cmd("ZPOPMIN").arg(&key).arg(MORE);
        take
    };
    let (brief, take) = (take(BRIEF), take(WAIT));
    let link = core.base.health.further_link();
    let mut restarts = core.restarts();
    let mut attempts = pauses();
    loop {
        let read = async {
            let mut connection = core.base.servers[shard].connect(ANSWER).await?;
            let mut take_next = &brief;
            loop {
                let (taken, refused) = take_from(&mut connection, take_next, 2).await?;
                for taken in taken {
                    core.deliver(&world, &place, &key, taken);
                }
                refused.map_or(Ok(()), Err)?;
                if std::ptr::eq(take_next, &raw const brief) {
                    link.up();
                    attempts = pauses();
                    take_next = &take;
                }
            }
        };
        let read: RedisResult<()> = tokio::select! {
            read = read => read,
            _ = restarts.changed() => continue,
        };
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

/// What was taken, and why there is no more of it where a command was refused.
async fn take_from(
    connection: &mut MultiplexedConnection,
    commands: &Pipeline,
    count: usize,
) -> RedisResult<(Vec<Taken>, Option<RedisError>)> {
    let values = connection.send_packed_commands(commands, 0, count).await?;
    let (mut taken, mut refused) = (Vec::new(), None);
    for value in values {
        match value {
            Value::ServerError(error) => refused = refused.or_else(|| Some(error.into())),
            Value::Array(mut items) => {
                // BZPOPMIN says which key first.
                if items.len() == 3 {
                    items.remove(0);
                }
                pairs(items, &mut taken)?;
            }
            _ => {}
        }
    }
    Ok((taken, refused))
}

fn pairs(items: Vec<Value>, taken: &mut Vec<Taken>) -> RedisResult<()> {
    let mut items = items.into_iter();
    while let (Some(member), Some(score)) = (items.next(), items.next()) {
        let score = redis::from_redis_value(score)?;
        if let Value::BulkString(member) = member {
            taken.push((member, score));
        }
    }
    Ok(())
}

impl Core {
    /// Puts a message into the mailboxes it is for.
    fn deliver(&self, world: &World, place: &str, key: &str, (wire, score): Taken) {
        let Some(lasts) = self.clock.left(score, self.base.limits.expiry) else { return };
        match self.base.codec.decode(Bytes::from(wire)) {
            Ok(parcel) => {
                let dropped = if parcel.is_addressed() {
                    world.local.deliver(parcel.names(), &parcel.delivery, lasts)
                } else {
                    world.local.deliver(std::iter::once(place), &parcel.delivery, lasts)
                };
                Health::count(&self.base.health.dropped, dropped);
            }
            Err(error) => self.base.health.note_foreign(key, error),
        }
    }
}

/// A reader of a named channel, which takes a message only when the one before has been taken from the mailbox: what
/// waits is for other hosts to take.
pub(super) struct NamedReader {
    pub(super) drained: Arc<Notify>,
    closed: AtomicBool,
    /// The number Redis gave the connection while a message is waited for on it, or 0.
    waiting: AtomicI64,
    /// Held while it reads, so that the next reader of the channel begins when this one has given back what it took.
    turn: Arc<Semaphore>,
}

impl NamedReader {
    /// A reader that begins when the one before has ended.
    pub(super) fn after(before: Option<&Self>) -> Self {
        Self {
            drained: Arc::default(),
            closed: AtomicBool::new(false),
            waiting: AtomicI64::new(0),
            turn: before.map_or_else(|| Arc::new(Semaphore::new(1)), |it| Arc::clone(&it.turn)),
        }
    }

    /// The mailbox was dropped: the number of the connection on which a message is waited for.
    pub(super) fn close(&self) -> Option<i64> {
        self.closed.store(true, Ordering::SeqCst);
        self.drained.notify_one();
        Some(self.waiting.load(Ordering::SeqCst)).filter(|waiting| *waiting != 0)
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }
}

/// Reads a named channel until its mailbox is dropped.
pub(super) async fn run_named(
    core: Arc<Core>,
    world: Arc<World>,
    name: ChannelName,
    reader: Arc<NamedReader>,
) {
    let shard = world.keys.shard(name.as_str());
    let link = core.base.health.further_link();
    let mut restarts = core.restarts();
    let mut attempts = pauses();
    let Ok(_turn) = Arc::clone(&reader.turn).acquire_owned().await else { return };
    // What is being put back is to be read first. A server that is away is waited for below.
    let _ = core.carried().await;
    while !reader.is_closed() {
        let read = async {
            let mut connection = core.base.servers[shard].connect(ANSWER).await?;
            let number: i64 = redis::cmd("CLIENT").arg("ID").query_async(&mut connection).await?;
            let passed = || {
                link.up();
                attempts = pauses();
            };
            let connection = (connection, number);
            read_named(&core, &world, &name, &reader, connection, passed).await
        };
        let read: RedisResult<()> = tokio::select! {
            read = read => read,
            _ = restarts.changed() => continue,
        };
        reader.waiting.store(0, Ordering::SeqCst);
        if let Err(error) = read {
            if ErrorClass::of(&error) == ErrorClass::Key {
                // What it holds is not ours to delete, and the layer is well.
                core.base.health.complain(format_args!("channel {name} has no messages: {error}"));
            } else {
                link.down(core.base.servers[shard].name(), &error);
                core.suspicion.notify_one();
            }
            sleep(attempts.next().unwrap_or(ANSWER)).await;
        }
    }
    let _ = core.carried().await;
}

/// Takes messages until the mailbox is dropped. Tells once that the first attempt to take one was not refused.
async fn read_named(
    core: &Core,
    world: &World,
    name: &ChannelName,
    reader: &NamedReader,
    (mut connection, number): (MultiplexedConnection, i64),
    passed: impl FnOnce(),
) -> RedisResult<()> {
    let key = &world.keys.messages(name.as_str());
    let mut passed = Some(passed);
    loop {
        let mut take = Pipeline::new();
        take.cmd("BZPOPMIN").arg(key).arg(if passed.is_some() { BRIEF } else { WAIT });
        reader.waiting.store(number, Ordering::SeqCst);
        if reader.is_closed() {
            return Ok(());
        }
        let (taken, refused) = take_from(&mut connection, &take, 1).await?;
        refused.map_or(Ok(()), Err)?;
        reader.waiting.store(0, Ordering::SeqCst);
        if let Some(passed) = passed.take() {
            passed();
        }
        for taken in taken {
            // Whoever opens the channel next is to have what nobody here wants any more.
            match world.local.find(name.as_str()) {
                Some(_) if !reader.is_closed() => core.deliver(world, name.as_str(), key, taken),
                _ => core.put_back(world, key, taken),
            }
        }
        while let Some(channel) = world.local.find(name.as_str())
            && !channel.is_drained()
            && !reader.is_closed()
        {
            reader.drained.notified().await;
        }
    }
}

impl Core {
    /// Puts a message back to where it was taken from.
    fn put_back(&self, world: &World, key: &str, (wire, score): Taken) {
        let put = Put {
            shard: world.keys.shard(key.strip_prefix(world.keys.prefix()).unwrap_or(key)),
            key: key.to_owned(),
            at: self.clock.now(),
            score: Some(score),
            capacity: usize::MAX >> 1,
            wire,
            receivers: 1,
            reply: None,
        };
        if self.base.queue.push(Op::Put(put)).is_err() {
            Health::count(&self.base.health.lost, 1);
        }
    }

    /// Puts what a mailbox had not read back to where it came from.
    pub(super) fn put_back_left(&self, world: &World, name: &ChannelName, left: local::Left) {
        let key = world.keys.messages(name.as_str());
        for (lasts, delivery) in left {
            let Delivery::Message(message) = delivery else { continue };
            let score = self.clock.now() - (self.base.limits.expiry - lasts).as_secs_f64();
            match self.base.codec.encode(&message, To::Key) {
                Ok(wire) => self.put_back(world, &key, (wire, score)),
                Err(_) => Health::count(&self.base.health.lost, 1),
            }
        }
    }
}
