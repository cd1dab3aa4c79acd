//! Readers of named channels, whose messages any host may take.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use redis::RedisResult;
use redis::aio::MultiplexedConnection;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::REPLY_TIMEOUT;
use super::key_popper::{KeyPopper, PopResult};
use crate::redis::health::Health;
use crate::redis::pipeline::reconnect_delays;
use crate::redis::redis_op::{KeyMessage, RedisOp};
use crate::redis::wire::WireAddress;
use crate::redis::{RedisLayerCore, RedisTenant};
use crate::{Delivery, process_channels};
use narrowboat_core::message::Message;
use narrowboat_core::name::ChannelName;
use narrowboat_redis_client::ErrorClass;

/// A reader of a named channel, which takes a message only when the one before has been taken from the mailbox: what
/// waits is for other hosts to take.
///
/// A message that it has taken reaches the mailbox or goes back to its key. So it ends only when every pop has been
/// answered, and the next reader of the channel begins after that.
pub(in crate::redis) struct NamedChannelReader {
    pub(in crate::redis) drained_notify: Arc<Notify>,
    is_closed: AtomicBool,
    /// The number Redis gave the connection while a message is waited for on it, or 0.
    blocked_connection_id: AtomicI64,
    /// The messages that were put into the mailbox since it was last empty, each with its score in the key.
    delivered_scores: Mutex<Vec<(Message, f64)>>,
    /// Held while it reads, so that the next reader of the channel begins when this one has given back what it took.
    read_permit: Arc<Semaphore>,
    /// Whether it has given back what it took.
    has_ended: watch::Sender<bool>,
}

/// Tells that a reader has ended, also where its task is stopped.
struct ReaderEndGuard<'a>(&'a NamedChannelReader);

impl Drop for ReaderEndGuard<'_> {
    fn drop(&mut self) {
        self.0.has_ended.send_replace(true);
    }
}

impl NamedChannelReader {
    /// A reader that begins when the one before has ended.
    pub(in crate::redis) fn new_after(before: Option<&Self>) -> Self {
        Self {
            drained_notify: Arc::default(),
            is_closed: AtomicBool::new(false),
            blocked_connection_id: AtomicI64::new(0),
            delivered_scores: Mutex::default(),
            read_permit: before
                .map_or_else(|| Arc::new(Semaphore::new(1)), |it| Arc::clone(&it.read_permit)),
            has_ended: watch::Sender::new(false),
        }
    }

    /// The mailbox was dropped: the number of the connection on which a message is waited for.
    pub(in crate::redis) fn close(&self) -> Option<i64> {
        self.is_closed.store(true, Ordering::SeqCst);
        self.drained_notify.notify_one();
        Some(self.blocked_connection_id.load(Ordering::SeqCst)).filter(|waiting| *waiting != 0)
    }

    /// Waits until a reader whose mailbox was dropped has given back what it took. The next reader of the channel is not
    /// waited for.
    pub(in crate::redis) async fn wait_until_ended(&self) {
        let _ = self.has_ended.subscribe().wait_for(|ended| *ended).await;
    }

    pub(in crate::redis) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }

    /// The score of a message in the mailbox. None if it did not come from the key.
    fn score_of(&self, message: &Message) -> Option<f64> {
        let accepted = self.lock_delivered_scores();
        let found = accepted.iter().find(|(other, _)| {
            // A copy of a message shares its bytes.
            std::ptr::eq(other.bytes().as_ptr(), message.bytes().as_ptr())
        });
        found.map(|(_, score)| *score)
    }

    fn lock_delivered_scores(&self) -> MutexGuard<'_, Vec<(Message, f64)>> {
        self.delivered_scores.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a named channel until its mailbox is dropped.
pub(in crate::redis) async fn run(
    core: Arc<RedisLayerCore>,
    world: Arc<RedisTenant>,
    name: ChannelName,
    reader: Arc<NamedChannelReader>,
) {
    let _end = ReaderEndGuard(&reader);
    let Ok(_turn) = Arc::clone(&reader.read_permit).acquire_owned().await else { return };
    // What is being put back is to be read first. A server that is away is waited for below.
    let _ = core.wait_until_queue_sent().await;
    NamedReaderTask::new(&core, &world, &name, &reader).run().await;
    let _ = core.wait_until_queue_sent().await;
}

struct NamedReaderTask<'a> {
    core: &'a RedisLayerCore,
    world: &'a RedisTenant,
    name: &'a ChannelName,
    reader: &'a NamedChannelReader,
    key: String,
    pops: KeyPopper,
}

impl<'a> NamedReaderTask<'a> {
    fn new(
        core: &'a RedisLayerCore,
        world: &'a RedisTenant,
        name: &'a ChannelName,
        reader: &'a NamedChannelReader,
    ) -> Self {
        let key = world.keys.messages(name.as_str());
        let pops = KeyPopper::new(&key, 0, &core.base.limits, false);
        Self { core, world, name, reader, key, pops }
    }

    async fn run(mut self) {
        let (core, reader) = (self.core, self.reader);
        let server = &core.base.servers[self.world.keys.shard(self.name.as_str())];
        let link = core.base.health.register_extra_connection();
        let mut restarts = core.subscribe_restarts();
        let mut attempts = reconnect_delays();
        while !reader.is_closed() {
            let read = async {
                let mut connection = server.connect(core.pop_timeout()).await?;
                let number = redis::cmd("CLIENT").arg("ID").query_async(&mut connection).await?;
                let passed = || {
                    link.mark_up();
                    attempts = reconnect_delays();
                };
                self.pops.set_connection(number);
                self.read_messages(&connection, number, passed).await
            };
            let read: RedisResult<()> = tokio::select! {
                read = read => read,
                _ = restarts.changed() => Ok(()),
            };
            if let Err(error) = read {
                if ErrorClass::of(&error) == ErrorClass::Key {
                    // What it holds is not ours to delete, and the layer is well.
                    link.mark_up();
                    let name = self.name;
                    core.base
                        .health
                        .complain(format_args!("channel {name} has no messages: {error}"));
                } else {
                    link.mark_down(server.name(), &error);
                    core.self_test_requested.notify_one();
                }
                if !reader.is_closed() {
                    sleep(attempts.next().unwrap_or(REPLY_TIMEOUT)).await;
                }
            }
            self.pops.abandon_current();
        }
        let rest = async {
            while let Some(popped) = self.pops.next_abandoned().await {
                self.requeue_popped(popped);
            }
        };
        let _ = timeout(REPLY_TIMEOUT, rest).await;
        reader.blocked_connection_id.store(0, Ordering::SeqCst);
    }

    /// Takes messages until the mailbox is dropped. Tells once that the first attempt to take one was not refused, or that
    /// none is made yet.
    async fn read_messages(
        &mut self,
        connection: &MultiplexedConnection,
        number: i64,
        passed: impl FnOnce(),
    ) -> RedisResult<()> {
        let mut passed = Some(passed);
        loop {
            // While the reader waits, it asks the server for nothing, so the server can refuse nothing.
            self.wait_until_drained(|| passed.take().into_iter().for_each(|passed| passed())).await;
            self.reader.blocked_connection_id.store(number, Ordering::SeqCst);
            if self.reader.is_closed() {
                return Ok(());
            }
            let mut popped = self.pops.next_messages(connection).await?;
            let refused = popped.error.take();
            if self.pops.has_succeeded()
                && let Some(passed) = passed.take()
            {
                passed();
            }
            if !self.pops.is_in_flight() {
                self.reader.blocked_connection_id.store(0, Ordering::SeqCst);
            }
            self.deliver_popped(popped);
            refused.map_or(Ok(()), Err)?;
        }
    }

    /// Waits until every message has been taken from the mailbox, or it was dropped. Calls `must_wait` before it waits.
    async fn wait_until_drained(&mut self, mut must_wait: impl FnMut()) {
        while let Some(channel) = self.world.local.find_channel(self.name.as_str())
            && !self.reader.is_closed()
        {
            if channel.is_drained() {
                self.reader.lock_delivered_scores().clear();
                return;
            }
            must_wait();
            self.reader.drained_notify.notified().await;
        }
    }

    /// Puts messages into the mailbox, or back to where they came from if that was dropped.
    fn deliver_popped(&self, popped: PopResult) {
        let core = self.core;
        if self.reader.is_closed() {
            return self.requeue_popped(popped);
        }
        for (wire, score) in popped.messages {
            let Some(lasts) = core.remaining_lifetime(&self.key, score, popped.max_wait) else {
                continue;
            };
            match core.base.codec.decode(Bytes::from(wire)) {
                Ok(parcel) => {
                    // Before it can be in the mailbox, which may be dropped at any time.
                    if let Delivery::Message(message) = &parcel.delivery {
                        self.reader.lock_delivered_scores().push((message.clone(), score));
                    }
                    let refused = self.world.local.try_deliver(self.name, parcel.delivery, lasts);
                    if let Err(Delivery::Message(message)) = refused {
                        core.requeue_message(self.world, &self.key, (&message, score));
                    }
                }
                Err(error) => core.base.health.record_decode_error(&self.key, &error),
            }
        }
    }

    fn requeue_popped(&self, popped: PopResult) {
        for (wire, score) in popped.messages {
            self.core.requeue_encoded(self.world, &self.key, (wire, score));
        }
    }
}

impl RedisLayerCore {
    /// Puts a message back to where it was taken from.
    fn requeue_encoded(&self, world: &RedisTenant, key: &str, (wire, score): (Vec<u8>, f64)) {
        let put = KeyMessage {
            shard: world.keys.shard(key.strip_prefix(world.keys.prefix()).unwrap_or(key)),
            key: key.to_owned(),
            at: tokio::time::Instant::now(),
            score: Some(score),
            capacity: usize::MAX >> 1,
            wire,
            receiver_count: 1,
            reply: None,
        };
        self.base.queue.push_unbounded(RedisOp::PutMessage(put));
    }

    fn requeue_message(&self, world: &RedisTenant, key: &str, (message, score): (&Message, f64)) {
        match self.base.codec.encode(message, WireAddress::Implicit) {
            Ok(wire) => self.requeue_encoded(world, key, (wire, score)),
            Err(_) => Health::count(&self.base.health.lost, 1),
        }
    }

    /// Puts what a mailbox had not read back to where it came from, and in its place there.
    pub(in crate::redis) fn requeue_unread(
        &self,
        world: &RedisTenant,
        name: &ChannelName,
        reader: &NamedChannelReader,
        left: process_channels::UnreadDeliveries,
    ) {
        let key = world.keys.messages(name.as_str());
        for (lasts, delivery) in left {
            let Delivery::Message(message) = delivery else { continue };
            let score = reader.score_of(&message).unwrap_or_else(|| {
                let age = self.base.limits.expiry.saturating_sub(lasts);
                self.clock.now() - age.as_secs_f64()
            });
            self.requeue_message(world, &key, (&message, score));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_end_of_a_reader_is_told_though_the_next_one_reads() {
        let before = NamedChannelReader::new_after(None);
        let end = ReaderEndGuard(&before);
        before.close();
        let next = NamedChannelReader::new_after(Some(&before));
        let _turn = next.read_permit.acquire().await.unwrap();
        assert!(timeout(REPLY_TIMEOUT, before.wait_until_ended()).await.is_err());
        drop(end);
        timeout(REPLY_TIMEOUT, before.wait_until_ended()).await.unwrap();
    }
}
