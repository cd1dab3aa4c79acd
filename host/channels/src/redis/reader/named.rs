//! Readers of named channels, whose messages any host may take.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use redis::RedisResult;
use redis::aio::MultiplexedConnection;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::ANSWER;
use super::pops::{Popped, Pops};
use crate::redis::health::Health;
use crate::redis::op::{Op, Put};
use crate::redis::pipeline::pauses;
use crate::redis::wire::To;
use crate::redis::{Core, World};
use crate::{Delivery, local};
use narrowboat_core::message::Message;
use narrowboat_core::name::ChannelName;
use narrowboat_redis_client::ErrorClass;

/// A reader of a named channel, which takes a message only when the one before has been taken from the mailbox: what
/// waits is for other hosts to take.
///
/// A message that it has taken reaches the mailbox or goes back to its key. So it ends only when every pop has been
/// answered, and the next reader of the channel begins after that.
pub(in crate::redis) struct NamedReader {
    pub(in crate::redis) drained: Arc<Notify>,
    closed: AtomicBool,
    /// The number Redis gave the connection while a message is waited for on it, or 0.
    waiting: AtomicI64,
    /// The messages that were put into the mailbox since it was last empty, each with its score in the key.
    accepted: Mutex<Vec<(Message, f64)>>,
    /// Held while it reads, so that the next reader of the channel begins when this one has given back what it took.
    turn: Arc<Semaphore>,
    /// Whether it has given back what it took.
    ended: watch::Sender<bool>,
}

/// Tells that a reader has ended, also where its task is stopped.
struct End<'a>(&'a NamedReader);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.ended.send_replace(true);
    }
}

impl NamedReader {
    /// A reader that begins when the one before has ended.
    pub(in crate::redis) fn after(before: Option<&Self>) -> Self {
        Self {
            drained: Arc::default(),
            closed: AtomicBool::new(false),
            waiting: AtomicI64::new(0),
            accepted: Mutex::default(),
            turn: before.map_or_else(|| Arc::new(Semaphore::new(1)), |it| Arc::clone(&it.turn)),
            ended: watch::Sender::new(false),
        }
    }

    /// The mailbox was dropped: the number of the connection on which a message is waited for.
    pub(in crate::redis) fn close(&self) -> Option<i64> {
        self.closed.store(true, Ordering::SeqCst);
        self.drained.notify_one();
        Some(self.waiting.load(Ordering::SeqCst)).filter(|waiting| *waiting != 0)
    }

    /// Waits until a reader whose mailbox was dropped has given back what it took. The next reader of the channel is not
    /// waited for.
    pub(in crate::redis) async fn ended(&self) {
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    pub(in crate::redis) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// The score of a message in the mailbox. None if it did not come from the key.
    fn score(&self, message: &Message) -> Option<f64> {
        let accepted = self.accepted();
        let found = accepted.iter().find(|(other, _)| {
            // A copy of a message shares its bytes.
            std::ptr::eq(other.bytes().as_ptr(), message.bytes().as_ptr())
        });
        found.map(|(_, score)| *score)
    }

    fn accepted(&self) -> MutexGuard<'_, Vec<(Message, f64)>> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a named channel until its mailbox is dropped.
pub(in crate::redis) async fn run(
    core: Arc<Core>,
    world: Arc<World>,
    name: ChannelName,
    reader: Arc<NamedReader>,
) {
    let _end = End(&reader);
    let Ok(_turn) = Arc::clone(&reader.turn).acquire_owned().await else { return };
    // What is being put back is to be read first. A server that is away is waited for below.
    let _ = core.settled().await;
    Reading::new(&core, &world, &name, &reader).run().await;
    let _ = core.settled().await;
}

struct Reading<'a> {
    core: &'a Core,
    world: &'a World,
    name: &'a ChannelName,
    reader: &'a NamedReader,
    key: String,
    pops: Pops,
}

impl<'a> Reading<'a> {
    fn new(
        core: &'a Core,
        world: &'a World,
        name: &'a ChannelName,
        reader: &'a NamedReader,
    ) -> Self {
        let key = world.keys.messages(name.as_str());
        let pops = Pops::new(&key, 0, &core.base.limits, false);
        Self { core, world, name, reader, key, pops }
    }

    async fn run(mut self) {
        let (core, reader) = (self.core, self.reader);
        let server = &core.base.servers[self.world.keys.shard(self.name.as_str())];
        let link = core.base.health.further_link();
        let mut restarts = core.restarts();
        let mut attempts = pauses();
        while !reader.is_closed() {
            let read = async {
                let mut connection = server.connect(core.pop_lasts()).await?;
                let number = redis::cmd("CLIENT").arg("ID").query_async(&mut connection).await?;
                let passed = || {
                    link.up();
                    attempts = pauses();
                };
                self.pops.connected(number);
                self.read(&connection, number, passed).await
            };
            let read: RedisResult<()> = tokio::select! {
                read = read => read,
                _ = restarts.changed() => Ok(()),
            };
            if let Err(error) = read {
                if ErrorClass::of(&error) == ErrorClass::Key {
                    // What it holds is not ours to delete, and the layer is well.
                    link.up();
                    let name = self.name;
                    core.base
                        .health
                        .complain(format_args!("channel {name} has no messages: {error}"));
                } else {
                    link.down(server.name(), &error);
                    core.suspicion.notify_one();
                }
                if !reader.is_closed() {
                    sleep(attempts.next().unwrap_or(ANSWER)).await;
                }
            }
            self.pops.give_up();
        }
        let rest = async {
            while let Some(popped) = self.pops.next_late().await {
                self.put_back(popped);
            }
        };
        let _ = timeout(ANSWER, rest).await;
        reader.waiting.store(0, Ordering::SeqCst);
    }

    /// Takes messages until the mailbox is dropped. Tells once that the first attempt to take one was not refused, or that
    /// none is made yet.
    async fn read(
        &mut self,
        connection: &MultiplexedConnection,
        number: i64,
        passed: impl FnOnce(),
    ) -> RedisResult<()> {
        let mut passed = Some(passed);
        loop {
            // While the reader waits, it asks the server for nothing, so the server can refuse nothing.
            self.drained(|| passed.take().into_iter().for_each(|passed| passed())).await;
            self.reader.waiting.store(number, Ordering::SeqCst);
            if self.reader.is_closed() {
                return Ok(());
            }
            let mut popped = self.pops.next(connection).await?;
            let refused = popped.refused.take();
            if self.pops.has_passed()
                && let Some(passed) = passed.take()
            {
                passed();
            }
            if !self.pops.is_under_way() {
                self.reader.waiting.store(0, Ordering::SeqCst);
            }
            self.deliver(popped);
            refused.map_or(Ok(()), Err)?;
        }
    }

    /// Waits until every message has been taken from the mailbox, or it was dropped. Calls `must_wait` before it waits.
    async fn drained(&mut self, mut must_wait: impl FnMut()) {
        while let Some(channel) = self.world.local.find(self.name.as_str())
            && !self.reader.is_closed()
        {
            if channel.is_drained() {
                self.reader.accepted().clear();
                return;
            }
            must_wait();
            self.reader.drained.notified().await;
        }
    }

    /// Puts messages into the mailbox, or back to where they came from if that was dropped.
    fn deliver(&self, popped: Popped) {
        let core = self.core;
        if self.reader.is_closed() {
            return self.put_back(popped);
        }
        for (wire, score) in popped.messages {
            let Some(lasts) = core.lasts(&self.key, score, popped.waited) else { continue };
            match core.base.codec.decode(Bytes::from(wire)) {
                Ok(parcel) => {
                    // Before it can be in the mailbox, which may be dropped at any time.
                    if let Delivery::Message(message) = &parcel.delivery {
                        self.reader.accepted().push((message.clone(), score));
                    }
                    let refused = self.world.local.offer(self.name, parcel.delivery, lasts);
                    if let Err(Delivery::Message(message)) = refused {
                        core.put_back_message(self.world, &self.key, (&message, score));
                    }
                }
                Err(error) => core.base.health.note_unreadable(&self.key, &error),
            }
        }
    }

    fn put_back(&self, popped: Popped) {
        for (wire, score) in popped.messages {
            self.core.put_back(self.world, &self.key, (wire, score));
        }
    }
}

impl Core {
    /// Puts a message back to where it was taken from.
    fn put_back(&self, world: &World, key: &str, (wire, score): (Vec<u8>, f64)) {
        let put = Put {
            shard: world.keys.shard(key.strip_prefix(world.keys.prefix()).unwrap_or(key)),
            key: key.to_owned(),
            at: tokio::time::Instant::now(),
            score: Some(score),
            capacity: usize::MAX >> 1,
            wire,
            receivers: 1,
            reply: None,
        };
        self.base.queue.push_back(Op::Put(put));
    }

    fn put_back_message(&self, world: &World, key: &str, (message, score): (&Message, f64)) {
        match self.base.codec.encode(message, To::Key) {
            Ok(wire) => self.put_back(world, key, (wire, score)),
            Err(_) => Health::count(&self.base.health.lost, 1),
        }
    }

    /// Puts what a mailbox had not read back to where it came from, and in its place there.
    pub(in crate::redis) fn put_back_left(
        &self,
        world: &World,
        name: &ChannelName,
        reader: &NamedReader,
        left: local::Left,
    ) {
        let key = world.keys.messages(name.as_str());
        for (lasts, delivery) in left {
            let Delivery::Message(message) = delivery else { continue };
            let score = reader.score(&message).unwrap_or_else(|| {
                let age = self.base.limits.expiry.saturating_sub(lasts);
                self.clock.now() - age.as_secs_f64()
            });
            self.put_back_message(world, &key, (&message, score));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_end_of_a_reader_is_told_though_the_next_one_reads() {
        let before = NamedReader::after(None);
        let end = End(&before);
        before.close();
        let next = NamedReader::after(Some(&before));
        let _turn = next.turn.acquire().await.unwrap();
        assert!(timeout(ANSWER, before.ended()).await.is_err());
        drop(end);
        timeout(ANSWER, before.ended()).await.unwrap();
    }
}
