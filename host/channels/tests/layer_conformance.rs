//! The behaviour of every channel layer, one sentence in each test. The tests use only the trait and run against each
//! backend. Some run only against backends that keep messages for later readers.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use narrowboat_channels::{
    CapacityPatterns, ChannelLayer, Delivery, DeliverySink, LayerError, LayerLimits, Mailbox,
    MailboxDeputy, MemoryLayer, QueueLoad, RedisLayer, RedisPubSubLayer,
};
use narrowboat_config::{
    self as config, Endpoint, RedisAccess, RedisConfig, RedisHost, Serializer,
};
use narrowboat_core::frame::Frame;
use narrowboat_core::message::Message;
use narrowboat_core::name::{ChannelName, GroupName, Tenant};
use support::RedisServer;

mod support;

macro_rules! conformance {
    ($module:ident, $backend:expr; $($case:ident)*) => {
        mod $module {
            $(
                #[test]
                fn $case() {
                    use super::*;
                    run($case($backend));
                }
            )*
        }
    };
}

macro_rules! of_every_backend {
    ($module:ident, $backend:expr) => {
        conformance! { $module, $backend;
            a_new_channel_is_unique_and_receives_what_is_sent_to_it
            messages_and_frames_of_one_sender_keep_their_order
            concurrent_senders_each_keep_their_order
            frames_pass_an_empty_mailbox_while_its_sink_takes_them
            frames_stay_behind_the_messages_in_a_mailbox
            a_deputy_reads_in_place_of_the_reader_until_the_mailbox_is_empty
            a_deputy_that_hands_the_mailbox_back_wakes_the_reader
            a_channel_limits_its_bytes_and_accepts_a_larger_message_only_when_empty
            a_message_over_the_limit_is_refused_by_channels_and_groups
            a_group_reaches_its_members_until_they_are_discarded
            a_member_added_twice_gets_a_message_once
            a_group_drops_and_counts_where_a_member_is_full
            an_empty_group_accepts_everything
            messages_expire_in_a_mailbox
            an_expired_message_makes_room
            a_membership_of_an_open_mailbox_does_not_expire
            groups_of_a_channel_are_limited
            memberships_of_a_tenant_are_limited
            a_flush_deletes_messages_and_memberships_but_no_mailbox
            tenants_do_not_see_each_other
            a_dropped_unique_channel_drops_messages_and_leaves_its_groups
            a_channel_has_one_reader_at_a_time
            a_waiting_receiver_is_woken_by_a_send
            only_the_last_waker_is_woken
            a_cancelled_receive_loses_nothing
        }
    };
}

macro_rules! of_backends_that_keep_messages {
    ($module:ident, $backend:expr) => {
        conformance! { $module, $backend;
            a_named_channel_keeps_what_is_sent_before_it_is_read
            a_message_is_delivered_at_most_once
            a_full_channel_refuses_messages_until_it_is_read
            the_first_pattern_that_matches_a_name_sets_its_capacity
            messages_expire_in_a_channel_without_a_reader
            a_named_member_gets_what_its_group_was_sent_before_it_is_read
            a_membership_of_a_name_expires_and_adding_renews_it
            a_membership_of_a_name_outlives_its_mailbox_and_expires
            a_dropped_named_channel_keeps_messages_and_memberships
        }
    };
}

mod in_memory {
    use super::*;
    of_every_backend!(every, Memory);
    of_backends_that_keep_messages!(keeping, Memory);
    conformance! { own, Memory;
        check_send_predicts_a_send_after_pending_ones
        channels_without_a_reader_have_a_common_limit
        a_delivery_sink_ends_with_its_mailbox
    }
}

mod in_redis {
    use super::*;
    of_every_backend!(every, Redis::start());
    of_backends_that_keep_messages!(keeping, Redis::start());
    conformance! { own, Redis::start();
        a_lease_is_acquired_once_in_a_period
    }
}

mod in_redis_pubsub {
    use super::*;
    of_every_backend!(every, RedisPubSub(Redis::start()));
    conformance! { own, RedisPubSub(Redis::start());
        a_lease_is_acquired_once_in_a_period
    }
}

/// Runs a test with a clock that [`pass`] advances.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(400_000), test).await.unwrap();
    });
}

/// A backend of the layer.
trait Backend {
    type Layer: ChannelLayer;

    /// Creates an empty layer and starts it.
    async fn make(&self, limits: LayerLimits) -> Self::Layer;
}

struct Memory;

impl Backend for Memory {
    type Layer = MemoryLayer;

    async fn make(&self, limits: LayerLimits) -> MemoryLayer {
        MemoryLayer::new(limits)
    }
}

struct Redis(RedisServer);

impl Redis {
    fn start() -> Self {
        Self(RedisServer::start())
    }

    fn config(&self, random_prefix_length: usize) -> RedisConfig {
        RedisConfig {
            hosts: vec![RedisHost::Server(config::RedisServer {
                endpoint: Endpoint::Tcp("127.0.0.1".to_owned(), self.0.port),
                access: RedisAccess::default(),
            })],
            prefix: "asgi".to_owned(),
            symmetric_encryption_keys: Vec::new(),
            serializer: Serializer::Msgpack,
            random_prefix_length,
        }
    }
}

impl Backend for Redis {
    type Layer = RedisLayer;

    async fn make(&self, limits: LayerLimits) -> RedisLayer {
        let layer = RedisLayer::new("default", &self.config(12), limits);
        layer.start(&tokio::runtime::Handle::current());
        connected(&layer).await;
        layer
    }
}

struct RedisPubSub(Redis);

impl Backend for RedisPubSub {
    type Layer = RedisPubSubLayer;

    async fn make(&self, limits: LayerLimits) -> RedisPubSubLayer {
        let layer = RedisPubSubLayer::new("default", &self.0.config(0), limits);
        layer.start(&tokio::runtime::Handle::current());
        connected(&layer).await;
        layer
    }
}

/// Waits until a layer is connected to its backend.
async fn connected(layer: &impl ChannelLayer) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !layer.status().is_connected {
        assert!(std::time::Instant::now() < deadline, "not connected");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn limits() -> LayerLimits {
    LayerLimits::default()
}

fn tenant() -> Tenant {
    Tenant::default_tenant()
}

fn channel(name: &str) -> ChannelName {
    name.parse().unwrap()
}

fn group(name: &str) -> GroupName {
    name.parse().unwrap()
}

/// `{"type": kind, "x": <payload zeros>}`, 12 bytes and its two parts.
fn sized(kind: &str, payload: u32) -> Message {
    let mut bytes = b"\x82\xa4type".to_vec();
    bytes.push(0xa0 | u8::try_from(kind.len()).unwrap());
    bytes.extend(kind.as_bytes());
    bytes.extend(b"\xa1x\xc6");
    bytes.extend(payload.to_be_bytes());
    bytes.resize(bytes.len() + payload as usize, 0);
    Message::parse(bytes.into(), usize::MAX).unwrap()
}

fn message(kind: &str) -> Message {
    sized(kind, 0)
}

fn frame(text: &'static str) -> Frame {
    Frame::Text(text.into())
}

fn text(delivery: Delivery) -> String {
    match delivery {
        Delivery::Message(message) => message.message_type().to_owned(),
        Delivery::Frame(Frame::Text(text)) => text.to_string(),
        Delivery::Frame(Frame::Binary(bytes)) => format!("{bytes:?}"),
    }
}

fn is_full(result: Result<(), LayerError>, name: &ChannelName) -> bool {
    matches!(result, Err(LayerError::ChannelFull { channel }) if channel == *name)
}

/// Advances the layer's clock.
async fn pass(layer: &impl ChannelLayer, seconds: f64) {
    layer.settled().await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs_f64(seconds)).await;
    tokio::time::resume();
    // To a layer over Redis it looks as if the server had not replied for so long.
    tokio::time::sleep(Duration::from_millis(1)).await;
    connected(layer).await;
    layer.settled().await;
}

/// Short calls in the default tenant.
trait Calls: ChannelLayer {
    /// Waits until everything that was sent has arrived, by sending one more message until it arrives.
    async fn settled(&self) {
        let mut mailbox = self.new_mailbox().await;
        let to = mailbox.channel().clone();
        for _ in 0..200 {
            let _ = self.tried(&to, message("settled")).await;
            let arrived = tokio::time::timeout(Duration::from_millis(100), mailbox.recv()).await;
            if arrived.is_ok() {
                return;
            }
        }
        panic!("nothing arrives");
    }

    /// Reads all deliveries.
    async fn all(&self, mailbox: &mut Mailbox) -> Vec<String> {
        self.settled().await;
        let mut read = Vec::new();
        if mailbox.channel().is_process_local() {
            read.extend(std::iter::from_fn(|| mailbox.try_recv()).map(text));
            return read;
        }
        // A reader fetches messages from Redis one by one, so a last message marks the end.
        let name = mailbox.channel().clone();
        while self.tried(&name, message("end")).await.is_err() {
            read.push(text(mailbox.recv().await));
        }
        loop {
            match text(mailbox.recv().await) {
                end if end == "end" => return read,
                delivery => read.push(delivery),
            }
        }
    }

    /// Reads the only delivery, if there is one.
    async fn next(&self, mailbox: &mut Mailbox) -> Option<String> {
        let all = self.all(mailbox).await;
        assert!(all.len() <= 1, "{all:?}");
        all.into_iter().next()
    }

    /// Reads one delivery and leaves those behind it.
    async fn first(&self, mailbox: &mut Mailbox) -> String {
        text(mailbox.recv().await)
    }

    async fn new_mailbox(&self) -> Mailbox {
        self.new_channel(&tenant()).await.unwrap()
    }
    async fn opened(&self, name: &str) -> Mailbox {
        self.open_channel(&tenant(), &channel(name)).await.unwrap()
    }
    async fn sent(&self, to: &ChannelName, kind: &str) {
        self.send(&tenant(), to, message(kind)).await.unwrap();
    }
    async fn tried(&self, to: &ChannelName, message: Message) -> Result<(), LayerError> {
        self.send(&tenant(), to, message).await
    }
    async fn added(&self, to: &str, member: &ChannelName) {
        self.group_add(&tenant(), &group(to), member).await.unwrap();
    }
    async fn discarded(&self, from: &str, member: &ChannelName) {
        self.group_discard(&tenant(), &group(from), member).await.unwrap();
    }
    async fn group_sent(&self, to: &str, kind: &str) {
        self.group_send(&tenant(), &group(to), message(kind)).await.unwrap();
    }
}
impl<L: ChannelLayer> Calls for L {}

async fn a_new_channel_is_unique_and_receives_what_is_sent_to_it(backend: impl Backend) {
    let layer = backend.make(limits()).await;
    let (mut one, mut two) = (layer.new_mailbox().await, layer.new_mailbox().await);
    assert_ne!(one.channel(), two.channel());
    assert_eq!(channel(one.channel().as_str()), *one.channel());
    layer.sent(one.channel(), "a").await;
    assert_eq!((layer.next(&mut one).await, layer.next(&mut two).await), (Some("a".into()), None));
}

async fn a_named_channel_keeps_what_is_sent_before_it_is_read(backend: impl Backend) {
    let layer = backend.make(limits()).await;
    layer.sent(&channel("worker"), "a").await;
    layer.sent(&channel("worker"), "b").await;
    let mut mailbox = layer.opened("worker").await;
    layer.sent(&channel("worker"), "c").await;
    assert_eq!(layer.all(&mut mailbox).await, ["a", "b", "c"]);
}

async fn messages_and_frames_of_one_sender_keep_their_order(backend: impl Backend) {
    let layer = backend.make(limits()).await;
    let mut mailbox = layer.new_mailbox().await;
    layer.added("g", mailbox.channel()).await;
    layer.sent(mailbox.channel(), "1").await;
    layer.group_send_frame(&tenant(), &group("g"), frame("2")).await.unwrap();
    layer.group_sent("g", "3").await;
    let bytes = Frame::Binary(Bytes::from_static(b"4"));
    layer.group_send_frame(&tenant(), &group("g"), bytes.clone()).await.unwrap();
    layer.sent(mailbox.channel(), "5").await;
    assert_eq!(layer.first(&mut mailbox).await, "1");
    assert_eq!(mailbox.recv().await, Delivery::Frame(frame("2")));
    assert_eq!(mailbox.recv().await, Delivery::Message(message("3")));
    assert_eq!(mailbox.recv().await, Delivery::Frame(bytes));
    assert_eq!(layer.all(&mut mailbox).await, ["5"]);
}

/// Takes frames unless it is busy, and keeps them. Takes messages over if it may.
#[derive(Default)]
struct KeepingSink {
    is_busy: AtomicBool,
    takes_over: AtomicBool,
    frames: Mutex<Vec<Frame>>,
}

impl DeliverySink for KeepingSink {
    fn try_accept(&self, frame: &Frame) -> bool {
        let accepts = !self.is_busy.load(Ordering::Relaxed);
        if accepts {
            self.frames.lock().unwrap().push(frame.clone());
        }
        accepts
    }

    fn try_take_over(&self) -> bool {
        self.takes_over.load(Ordering::Relaxed)
    }
}

/// A mailbox whose sink takes messages over, and that has got the deliveries `m1`, `f2` and `m3`.
async fn mailbox_with_deputy(layer: &impl ChannelLayer) -> (Mailbox, MailboxDeputy) {
    let (mut mailbox, sink) = (layer.new_mailbox().await, Arc::new(KeepingSink::default()));
    sink.takes_over.store(true, Ordering::Relaxed);
    mailbox.set_delivery_sink(sink.clone());
    layer.added("g", mailbox.channel()).await;
    layer.group_sent("g", "m1").await;
    layer.group_send_frame(&tenant(), &group("g"), frame("f2")).await.unwrap();
    layer.group_sent("g", "m3").await;
    layer.settled().await;
    assert_eq!(*sink.frames.lock().unwrap(), [], "the frame stays behind the message");
    let deputy = mailbox.deputy();
    (mailbox, deputy)
}

async fn a_deputy_reads_in_place_of_the_reader_until_the_mailbox_is_empty(backend: impl Backend) {
    let layer = backend.make(limits()).await;
    let (mut mailbox, deputy) = mailbox_with_deputy(&layer).await;
    assert_eq!(mailbox.try_recv(), None, "the reader rests");
    let read: Vec<_> = std::iter::from_fn(|| deputy.take_next()).collect();
    assert_eq!(
        read,
        [
            Delivery::Message(message("m1")),
            Delivery::Frame(frame("f2")),
            Delivery::Message(message("m3")),
        ]
    );
    // The next message asks the sink again, and its deputy may be another one.
    layer.group_sent("g", "m4").await;
    layer.settled().await;
    assert_eq!(mailbox.try_recv(), None);
    assert_eq!(deputy.take_next(), Some(Delivery::Message(message("m4"))));
}

async fn a_deputy_that_hands_the_mailbox_back_wakes_the_reader(backend: impl Backend) {
    let layer = backend.make(limits()).await;
    let (mut mailbox, deputy) = mailbox_with_deputy(&layer).await;
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    assert!(mailbox.poll_recv(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(deputy.take_next(), Some(Delivery::Message(message("m1"))));
    assert_eq!(count.0.load(Ordering::SeqCst), 0);
    deputy.hand_back();
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    assert_eq!(mailbox.recv().await, Delivery::Frame(frame("f2")));
    assert_eq!(deputy.take_next(), None, "the reader reads");
    assert_eq!(mailbox.recv().await, Delivery::Message(message("m3")));
}

async fn frames_pass_an_empty_mailbox_while_its_sink_takes_them(backend: impl Backend) {
    let layer = backend.make(limits()).await;
    let (mut mailbox, sink) = (layer.new_mailbox().await, Arc::new(KeepingSink::default()));
    mailbox.set_delivery_sink(sink.clone());
    layer.added("g", mailbox.channel()).await;
    for (text, is_busy) in [("1", false), ("2", true), ("3", false)] {
        sink.is_busy.store(is_busy, Ordering::Relaxed);
        layer.group_send_frame(&tenant(), &group("g"), frame(text)).await.unwrap();
        layer.settled().await;
    }
    assert_eq!(*sink.frames.lock().unwrap(), [frame("1")]);
    // The last frame stays behind the one that the sink did not take.
    assert_eq!(mailbox.recv().await, Delivery::Frame(frame("2")));
    assert_eq!(mailbox.recv().await, Delivery::Frame(frame("3")));
}

async fn frames_stay_behind_the_messages_in_a_mailbox(backend: impl Backend) {
    let layer = backend.make(limits()).await;
    let (mut mailbox, sink) = (layer.new_mailbox().await, Arc::new(KeepingSink::default()));
    mailbox.set_delivery_sink(sink.clone());
    layer.added("g", mailbox.channel()).await;
    layer.group_sent("g", "1").await;
    layer.group_send_frame(&tenant(), &group("g"), frame("2")).await.unwrap();
    layer.settled().await;
    assert_eq!(*sink.frames.lock().unwrap(), []);
    assert_eq!(mailbox.recv().await, Delivery::Message(message("1")));
    assert_eq!(mailbox.recv().await, Delivery::Frame(frame("2")));
}

async fn a_delivery_sink_ends_with_its_mailbox(backend: impl Backend) {
    let layer = backend.make(limits()).await;
    let (mut mailbox, sink) = (layer.opened("named").await, Arc::new(KeepingSink::default()));
    mailbox.set_delivery_sink(sink.clone());
    layer.added("g", mailbox.channel()).await;
    drop(mailbox);
    let mut mailbox = layer.opened("named").await;
    layer.group_send_frame(&tenant(), &group("g"), frame("1")).await.unwrap();
    assert_eq!(mailbox.recv().await, Delivery::Frame(frame("1")));
    drop(mailbox);
    assert_eq!(Arc::strong_count(&sink), 1);
}

async fn concurrent_senders_each_keep_their_order(backend: impl Backend) {
    let layer = Arc::new(backend.make(LayerLimits { capacity: 1_000, ..limits() }).await);
    let mut mailbox = layer.new_mailbox().await;
    let threads: Vec<_> = (0..4)
        .map(|sender| send_on_a_thread(Arc::clone(&layer), mailbox.channel(), sender))
        .collect();
    let joined = tokio::task::spawn_blocking(|| {
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    joined.await.unwrap();
    let received = layer.all(&mut mailbox).await;
    assert_eq!(received.len(), 400);
    for sender in 0..4 {
        let of_one: Vec<_> =
            received.iter().filter(|kind| kind.starts_with(&format!("{sender}."))).collect();
        assert_eq!(of_one.len(), 100);
        assert!(of_one.is_sorted());
    }
}

fn send_on_a_thread<L: ChannelLayer>(
    layer: Arc<L>,
    to: &ChannelName,
    sender: u32,
) -> std::thread::JoinHandle<()> {
    let to = to.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for n in 0..100 {
                layer.sent(&to, &format!("{sender}.{n:03}")).await;
            }
        });
    })
}

async fn a_message_is_delivered_at_most_once(backend: impl Backend) {
    let layer = backend.make(limits()).await;
    let mut mailbox = layer.opened("worker").await;
    layer.sent(&channel("worker"), "a").await;
    assert_eq!(layer.next(&mut mailbox).await, Some("a".into()));
    drop(mailbox);
    assert_eq!(layer.next(&mut layer.opened("worker").await).await, None);
}

async fn a_full_channel_refuses_messages_until_it_is_read(backend: impl Backend) {
    let layer = backend.make(LayerLimits { capacity: 2, ..limits() }).await;
    let mut mailbox = layer.new_mailbox().await;
    for name in [mailbox.channel().clone(), channel("worker")] {
        layer.sent(&name, "a").await;
        layer.sent(&name, "b").await;
        layer.settled().await;
        assert!(is_full(layer.tried(&name, message("c")).await, &name));
    }
    assert_eq!(layer.first(&mut mailbox).await, "a");
    layer.sent(mailbox.channel(), "d").await;
    assert_eq!(layer.all(&mut mailbox).await, ["b", "d"]);
}

async fn the_first_pattern_that_matches_a_name_sets_its_capacity(backend: impl Backend) {
    let channel_capacity = CapacityPatterns::new([("http.*", 1), ("http.[ab]", 5), ("*!*", 2)]);
    let layer = backend.make(LayerLimits { capacity: 3, channel_capacity, ..limits() }).await;
    let unique = layer.new_mailbox().await;
    for (name, capacity) in
        [(channel("http.a"), 1), (unique.channel().clone(), 2), (channel("other"), 3)]
    {
        for _ in 0..capacity {
            layer.sent(&name, "a").await;
        }
        layer.settled().await;
        assert!(is_full(layer.tried(&name, message("a")).await, &name));
    }
}

async fn a_channel_limits_its_bytes_and_accepts_a_larger_message_only_when_empty(
    backend: impl Backend,
) {
    let layer = backend.make(LayerLimits { mailbox_bytes: 100, ..limits() }).await;
    let mut mailbox = layer.new_mailbox().await;
    let name = mailbox.channel().clone();
    let overhead = u32::try_from(message("a").len()).unwrap();
    layer.tried(&name, sized("a", 60 - overhead)).await.unwrap();
    layer.tried(&name, sized("b", 40 - overhead)).await.unwrap();
    layer.settled().await;
    assert!(is_full(layer.tried(&name, message("c")).await, &name));
    assert_eq!(layer.all(&mut mailbox).await, ["a", "b"]);
    layer.tried(&name, sized("large", 1_000)).await.unwrap();
    layer.settled().await;
    assert!(is_full(layer.tried(&name, message("c")).await, &name));
    assert_eq!(layer.all(&mut mailbox).await, ["large"]);
}

async fn a_message_over_the_limit_is_refused_by_channels_and_groups(backend: impl Backend) {
    let layer = backend.make(LayerLimits { message_bytes: 100, ..limits() }).await;
    let mut mailbox = layer.new_mailbox().await;
    layer.added("g", mailbox.channel()).await;
    let large = sized("a", 200);
    let error = LayerError::TooLarge { len: large.len(), limit: 100 };
    assert_eq!(layer.tried(mailbox.channel(), large.clone()).await, Err(error.clone()));
    assert_eq!(layer.group_send(&tenant(), &group("g"), large.clone()).await, Err(error.clone()));
    assert_eq!(
        layer.check_send(&tenant(), mailbox.channel(), QueueLoad::default(), large.len()),
        Err(error)
    );
    let large = Frame::Binary(Bytes::from(vec![0; 101]));
    let refused = layer.group_send_frame(&tenant(), &group("g"), large).await;
    assert_eq!(refused, Err(LayerError::TooLarge { len: 101, limit: 100 }));
    assert_eq!((layer.next(&mut mailbox).await, layer.status().dropped_count), (None, 0));
}

async fn check_send_predicts_a_send_after_pending_ones(backend: impl Backend) {
    let layer = backend.make(LayerLimits { capacity: 3, mailbox_bytes: 100, ..limits() }).await;
    let mailbox = layer.new_mailbox().await;
    layer.sent(mailbox.channel(), "a").await;
    for name in [mailbox.channel(), &channel("never.sent.to")] {
        let waits = usize::from(name == mailbox.channel());
        let probe =
            |count, bytes, len| layer.check_send(&tenant(), name, QueueLoad { count, bytes }, len);
        assert_eq!(probe(2 - waits, 20, 20), Ok(()));
        assert!(is_full(probe(3 - waits, 20, 20), name));
        assert!(is_full(probe(1, 80, 21), name));
    }
    let gone = channel("specific.gone!1");
    assert_eq!(layer.check_send(&tenant(), &gone, QueueLoad { count: 9, bytes: 900 }, 99), Ok(()));
}

async fn a_group_reaches_its_members_until_they_are_discarded(backend: impl Backend) {
    let layer = backend.make(limits()).await;
    let (mut one, mut two) = (layer.new_mailbox().await, layer.new_mailbox().await);
    layer.added("g", one.channel()).await;
    layer.added("g", two.channel()).await;
    layer.added("other", one.channel()).await;
    layer.group_sent("g", "a").await;
    // With publish/subscribe, the members at arrival get the message.
    layer.settled().await;
    layer.discarded("g", two.channel()).await;
    layer.discarded("g", two.channel()).await;
    layer.discarded("nobody", two.channel()).await;
    layer.group_sent("g", "b").await;
    assert_eq!(layer.all(&mut one).await, ["a", "b"]);
    assert_eq!(layer.all(&mut two).await, ["a"]);
}

async fn a_named_member_gets_what_its_group_was_sent_before_it_is_read(backend: impl Backend) {
    let layer = backend.make(limits()).await;
    layer.added("g", &channel("worker")).await;
    layer.group_sent("g", "a").await;
    layer.group_sent("g", "b").await;
    layer.settled().await;
    assert_eq!(layer.all(&mut layer.opened("worker").await).await, ["a", "b"]);
}

async fn a_member_added_twice_gets_a_message_once(backend: impl Backend) {
    let layer = backend.make(limits()).await;
    let mut mailbox = layer.new_mailbox().await;
    layer.added("g", mailbox.channel()).await;
    layer.added("g", mailbox.channel()).await;
    layer.group_sent("g", "a").await;
    assert_eq!(layer.all(&mut mailbox).await, ["a"]);
    layer.discarded("g", mailbox.channel()).await;
    layer.group_sent("g", "b").await;
    assert_eq!(layer.next(&mut mailbox).await, None);
}

async fn a_group_drops_and_counts_where_a_member_is_full(backend: impl Backend) {
    let layer = backend.make(LayerLimits { capacity: 1, ..limits() }).await;
    let (mut full, mut free) = (layer.new_mailbox().await, layer.new_mailbox().await);
    layer.added("g", full.channel()).await;
    layer.added("g", free.channel()).await;
    layer.sent(full.channel(), "before").await;
    layer.group_sent("g", "a").await;
    layer.settled().await;
    assert_eq!(layer.status().dropped_count, 1);
    layer.group_send_frame(&tenant(), &group("g"), frame("b")).await.unwrap();
    layer.settled().await;
    assert_eq!(layer.status().dropped_count, 3);
    assert_eq!(layer.all(&mut full).await, ["before"]);
    assert_eq!(layer.all(&mut free).await, ["a"]);
}

async fn an_empty_group_accepts_everything(backend: impl Backend) {
    let layer = backend.make(limits()).await;
    layer.group_sent("g", "a").await;
    layer.group_send_frame(&tenant(), &group("g"), frame("b")).await.unwrap();
    layer.settled().await;
    assert_eq!(layer.status().dropped_count, 0);
}

async fn messages_expire_in_a_mailbox(backend: impl Backend) {
    let layer = backend.make(limits()).await;
    let mut mailbox = layer.new_mailbox().await;
    layer.sent(mailbox.channel(), "a").await;
    pass(&layer, 30.0).await;
    layer.sent(mailbox.channel(), "b").await;
    pass(&layer, 30.0).await;
    assert_eq!(layer.next(&mut mailbox).await, Some("b".into()));
    layer.sent(mailbox.channel(), "c").await;
    pass(&layer, 55.0).await;
    assert_eq!(layer.next(&mut mailbox).await, Some("c".into()));
}

async fn an_expired_message_makes_room(backend: impl Backend) {
    let layer = backend.make(LayerLimits { capacity: 1, ..limits() }).await;
    let mailbox = layer.new_mailbox().await;
    for name in [mailbox.channel(), &channel("worker")] {
        layer.sent(name, "a").await;
        pass(&layer, 60.0).await;
        assert_eq!(layer.check_send(&tenant(), name, QueueLoad::default(), 9), Ok(()));
        layer.sent(name, "b").await;
    }
}

async fn messages_expire_in_a_channel_without_a_reader(backend: impl Backend) {
    let layer = backend.make(limits()).await;
    layer.sent(&channel("worker"), "a").await;
    pass(&layer, 40.0).await;
    layer.sent(&channel("worker"), "b").await;
    pass(&layer, 20.0).await;
    assert_eq!(layer.all(&mut layer.opened("worker").await).await, ["b"]);
    layer.sent(&channel("worker"), "c").await;
    pass(&layer, 60.0).await;
    assert_eq!(layer.next(&mut layer.opened("worker").await).await, None);
}

async fn channels_without_a_reader_have_a_common_limit(backend: impl Backend) {
    let layer = backend.make(LayerLimits { unread_bytes: 10_000, ..limits() }).await;
    let name = |n: usize| channel(&format!("worker.{n}"));
    let mut taken = 0;
    while layer.tried(&name(taken), sized("a", 1_000)).await.is_ok() {
        taken += 1;
    }
    assert!((5..10).contains(&taken), "{taken}");
    let refused = layer.tried(&name(taken), sized("a", 1_000)).await;
    assert_eq!(refused, Err(LayerError::UnreadFull { channel: name(taken), limit: 10_000 }));
    assert_eq!(layer.check_send(&tenant(), &name(taken), QueueLoad::default(), 1_000), refused);
    let read = layer.opened("worker.0").await;
    layer.tried(&name(taken), sized("a", 1_000)).await.unwrap();
    assert!(layer.tried(&name(taken + 1), sized("a", 1_000)).await.is_err());
    layer.tried(read.channel(), sized("a", 1_000)).await.unwrap();
    pass(&layer, 60.0).await;
    layer.tried(&name(taken + 1), sized("a", 1_000)).await.unwrap();
}

async fn a_membership_of_a_name_expires_and_adding_renews_it(backend: impl Backend) {
    let layer = backend.make(limits()).await;
    layer.added("g", &channel("left")).await;
    layer.added("g", &channel("renewed")).await;
    pass(&layer, 43_200.0).await;
    layer.added("g", &channel("renewed")).await;
    pass(&layer, 43_199.0).await;
    layer.group_sent("g", "a").await;
    pass(&layer, 1.0).await;
    layer.group_sent("g", "b").await;
    assert_eq!(layer.all(&mut layer.opened("left").await).await, ["a"]);
    assert_eq!(layer.all(&mut layer.opened("renewed").await).await, ["a", "b"]);
}

async fn a_membership_of_an_open_mailbox_does_not_expire(backend: impl Backend) {
    let layer = backend.make(limits()).await;
    let mut mailbox = layer.new_mailbox().await;
    layer.added("g", mailbox.channel()).await;
    for _ in 0..10 {
        pass(&layer, 21_600.0).await;
    }
    layer.group_sent("g", "a").await;
    assert_eq!(layer.all(&mut mailbox).await, ["a"]);
}

async fn a_membership_of_a_name_outlives_its_mailbox_and_expires(backend: impl Backend) {
    let layer = backend.make(limits()).await;
    let mut mailbox = layer.opened("worker").await;
    layer.added("g", mailbox.channel()).await;
    for _ in 0..10 {
        pass(&layer, 21_600.0).await;
    }
    layer.group_sent("g", "a").await;
    assert_eq!(layer.all(&mut mailbox).await, ["a"]);
    drop(mailbox);
    pass(&layer, 86_400.0).await;
    layer.group_sent("g", "b").await;
    assert_eq!(layer.next(&mut layer.opened("worker").await).await, None);
}

async fn groups_of_a_channel_are_limited(backend: impl Backend) {
    let layer = backend.make(LayerLimits { groups_per_channel: 2, ..limits() }).await;
    let mailbox = layer.new_mailbox().await;
    layer.added("a", mailbox.channel()).await;
    layer.added("b", mailbox.channel()).await;
    layer.added("b", mailbox.channel()).await;
    let error = LayerError::TooManyGroups { channel: mailbox.channel().clone(), limit: 2 };
    assert_eq!(layer.group_add(&tenant(), &group("c"), mailbox.channel()).await, Err(error));
    layer.discarded("a", mailbox.channel()).await;
    layer.added("c", mailbox.channel()).await;
}

async fn memberships_of_a_tenant_are_limited(backend: impl Backend) {
    let layer = backend.make(LayerLimits { memberships: 2, ..limits() }).await;
    let (one, two) = (layer.new_mailbox().await, layer.new_mailbox().await);
    layer.added("a", one.channel()).await;
    layer.added("b", one.channel()).await;
    let refused = layer.group_add(&tenant(), &group("a"), two.channel()).await;
    assert_eq!(refused, Err(LayerError::TooManyMemberships { limit: 2 }));
    drop(one);
    layer.added("a", two.channel()).await;
}

async fn a_flush_deletes_messages_and_memberships_but_no_mailbox(backend: impl Backend) {
    let layer = backend.make(limits()).await;
    let mut mailbox = layer.new_mailbox().await;
    layer.added("g", mailbox.channel()).await;
    layer.added("g", &channel("worker")).await;
    layer.group_sent("g", "a").await;
    layer.flush(&tenant()).await.unwrap();
    layer.group_sent("g", "b").await;
    assert_eq!(layer.next(&mut mailbox).await, None);
    assert_eq!(layer.next(&mut layer.opened("worker").await).await, None);
    layer.added("g", mailbox.channel()).await;
    layer.group_sent("g", "c").await;
    layer.sent(mailbox.channel(), "d").await;
    assert_eq!(layer.all(&mut mailbox).await, ["c", "d"]);
}

async fn tenants_do_not_see_each_other(backend: impl Backend) {
    let layer = backend.make(LayerLimits { capacity: 2, memberships: 1, ..limits() }).await;
    let stranger: Tenant = "stranger".parse().unwrap();
    let mut mailbox = layer.new_mailbox().await;
    let mut named = layer.opened("worker").await;
    layer.added("g", mailbox.channel()).await;
    layer.send(&stranger, mailbox.channel(), message("a")).await.unwrap();
    layer.send(&stranger, named.channel(), message("a")).await.unwrap();
    layer.group_send(&stranger, &group("g"), message("a")).await.unwrap();
    layer.group_discard(&stranger, &group("g"), mailbox.channel()).await.unwrap();
    layer.flush(&stranger).await.unwrap();
    assert_eq!((layer.next(&mut mailbox).await, layer.next(&mut named).await), (None, None));
    layer.open_channel(&stranger, named.channel()).await.unwrap();
    layer.group_add(&stranger, &group("g"), named.channel()).await.unwrap();
    layer.group_sent("g", "b").await;
    assert_eq!(
        (layer.next(&mut mailbox).await, layer.next(&mut named).await),
        (Some("b".into()), None)
    );
}

async fn a_dropped_unique_channel_drops_messages_and_leaves_its_groups(backend: impl Backend) {
    let layer = backend.make(LayerLimits { capacity: 1, memberships: 1, ..limits() }).await;
    let mailbox = layer.new_mailbox().await;
    let name = mailbox.channel().clone();
    layer.added("g", &name).await;
    layer.sent(&name, "a").await;
    drop(mailbox);
    layer.settled().await;
    for kind in ["b", "c", "d"] {
        layer.sent(&name, kind).await;
        layer.group_sent("g", kind).await;
    }
    layer.settled().await;
    assert_eq!(layer.status().dropped_count, 0);
    layer.added("g", &name).await;
    layer.discarded("g", &name).await;
    let mut reopened = layer.opened(name.as_str()).await;
    layer.group_sent("g", "e").await;
    assert_eq!(layer.next(&mut reopened).await, None);
    layer.added("other", reopened.channel()).await;
}

async fn a_dropped_named_channel_keeps_messages_and_memberships(backend: impl Backend) {
    let layer = backend.make(limits()).await;
    let mailbox = layer.opened("worker").await;
    layer.added("g", mailbox.channel()).await;
    layer.sent(mailbox.channel(), "a").await;
    pass(&layer, 30.0).await;
    drop(mailbox);
    layer.group_sent("g", "b").await;
    pass(&layer, 29.0).await;
    let mut mailbox = layer.opened("worker").await;
    layer.group_sent("g", "c").await;
    assert_eq!(layer.all(&mut mailbox).await, ["a", "b", "c"]);
    layer.sent(mailbox.channel(), "d").await;
    drop(mailbox);
    pass(&layer, 60.0).await;
    assert_eq!(layer.next(&mut layer.opened("worker").await).await, None);
}

async fn a_channel_has_one_reader_at_a_time(backend: impl Backend) {
    let layer = backend.make(limits()).await;
    let (unique, named) = (layer.new_mailbox().await, layer.opened("worker").await);
    for mailbox in [unique, named] {
        let name = mailbox.channel().clone();
        let refused = layer.open_channel(&tenant(), &name).await.unwrap_err();
        assert_eq!(refused, LayerError::ChannelBusy { channel: name.clone() });
        drop(mailbox);
        layer.open_channel(&tenant(), &name).await.unwrap();
    }
}

async fn a_lease_is_acquired_once_in_a_period(backend: impl Backend) {
    let layer = backend.make(limits()).await;
    let acquire = async |name| {
        layer.try_acquire_lease(&tenant(), &channel(name), Duration::from_secs(600)).await.unwrap()
    };
    assert!(acquire("a").await);
    assert!(!acquire("a").await);
    assert!(acquire("b").await);
}

async fn a_waiting_receiver_is_woken_by_a_send(backend: impl Backend) {
    let layer = Arc::new(backend.make(limits()).await);
    let mut mailbox = layer.new_mailbox().await;
    let name = mailbox.channel().clone();
    layer.added("g", &name).await;
    let receiver = tokio::spawn(async move { [mailbox.recv().await, mailbox.recv().await] });
    tokio::task::yield_now().await;
    layer.sent(&name, "a").await;
    tokio::task::yield_now().await;
    layer.group_send_frame(&tenant(), &group("g"), frame("b")).await.unwrap();
    let received = tokio::time::timeout(Duration::from_secs(9), receiver).await.unwrap().unwrap();
    assert_eq!(received, [Delivery::Message(message("a")), Delivery::Frame(frame("b"))]);
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

async fn only_the_last_waker_is_woken(backend: impl Backend) {
    let layer = backend.make(limits()).await;
    let mut mailbox = layer.new_mailbox().await;
    let counts = [Arc::new(Count::default()), Arc::new(Count::default())];
    for count in &counts {
        let waker = Waker::from(Arc::clone(count));
        assert!(mailbox.poll_recv(&mut Context::from_waker(&waker)).is_pending());
    }
    layer.sent(mailbox.channel(), "a").await;
    layer.sent(mailbox.channel(), "b").await;
    layer.settled().await;
    let woken = counts.map(|count| count.0.load(Ordering::SeqCst));
    assert_eq!(woken, [0, 1]);
    assert_eq!(layer.all(&mut mailbox).await, ["a", "b"]);
}

async fn a_cancelled_receive_loses_nothing(backend: impl Backend) {
    let layer = backend.make(limits()).await;
    let mut mailbox = layer.new_mailbox().await;
    let name = mailbox.channel().clone();
    {
        let mut receive = pin!(mailbox.recv());
        let polled = receive.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(polled, Poll::Pending);
        layer.sent(&name, "a").await;
    }
    assert_eq!(mailbox.recv().await, Delivery::Message(message("a")));
}

#[test]
fn the_trait_is_object_safe() {
    let layer: Arc<dyn ChannelLayer> = Arc::new(MemoryLayer::new(limits()));
    assert!(layer.new_channel(&tenant()).into_ready().is_ok());
}
