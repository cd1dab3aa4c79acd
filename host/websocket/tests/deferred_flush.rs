//! Frames that another task writes for a connection whose own task rests.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use narrowboat_config::{DeflateMode, Limits, OverflowPolicy, Quota};
use narrowboat_core::deferred_flush::defer_flushes;
use narrowboat_core::frame::Frame;
use narrowboat_core::name::{ChannelName, ProcessId};
use narrowboat_quota::QuotaChain;
use narrowboat_websocket::connection::{
    ClientStream, Connection, ConnectionEvent, ConnectionHandle, ConnectionTimeouts, DeflateParams,
    Extension, IncomingLimits, OutboundLimits, ReadMode, Socket, SocketConfig, TrafficCounters,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// The limit for every wait.
const DEADLINE: Duration = Duration::from_secs(20);

/// A client's frame "ping": FIN and text, masked with zeros.
const MASKED_PING: &[u8] = b"\x81\x84\0\0\0\0ping";

#[derive(Default)]
struct WakeCounter(AtomicU32);

impl Wake for WakeCounter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A connection, its client, and the wake-ups of its task.
struct Peers {
    client: TcpStream,
    connection: Connection,
    handle: Arc<ConnectionHandle>,
    quota: Arc<QuotaChain>,
    wakes: Arc<WakeCounter>,
}

impl Peers {
    async fn connect(deflate: Option<DeflateParams>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let limits = IncomingLimits { max_message: 1 << 20, max_frame: 1 << 20 };
        let stream = ClientStream::Left(accepted.unwrap().0.into());
        let socket = Socket::new(stream, b"", &SocketConfig { limits, deflate });
        let quota = Arc::new(QuotaChain::default());
        let traffic = Arc::new(TrafficCounters::new(Arc::clone(&quota)));
        let channel = ChannelName::unique(&ProcessId::random());
        let outbound = OutboundLimits {
            max_queued_bytes: 64 << 20,
            max_frame: 1 << 20,
            overflow: OverflowPolicy::Refuse,
        };
        let handle = Arc::new(ConnectionHandle::new(channel, outbound, traffic));
        let timeouts = Arc::new(ConnectionTimeouts::from(&Limits::default()));
        let connection = Connection::new(socket, Arc::clone(&handle), timeouts);
        let mut peers =
            Self { client: client.unwrap(), connection, handle, quota, wakes: Arc::default() };
        peers.rest();
        peers
    }

    /// Polls the connection as an idle session does. It parks.
    fn rest(&mut self) {
        assert!(self.poll().is_pending());
    }

    fn poll(&mut self) -> Poll<ConnectionEvent> {
        let waker = Waker::from(Arc::clone(&self.wakes));
        self.connection.take_control();
        self.connection.poll_socket(&mut Context::from_waker(&waker))
    }

    fn wakes(&self) -> u32 {
        self.wakes.0.load(Ordering::Relaxed)
    }

    async fn read_texts(&mut self, count: usize) -> Vec<String> {
        read_texts(&mut self.client, count).await
    }
}

/// Reads this many frames of the server, which are shorter than 126 bytes.
async fn read_texts(client: &mut TcpStream, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    let mut client = BufReader::new(client);
    let reading = async {
        while texts.len() < count {
            assert_eq!(client.read_u8().await.unwrap(), 0x81);
            let mut payload = vec![0; client.read_u8().await.unwrap().into()];
            client.read_exact(&mut payload).await.unwrap();
            texts.push(String::from_utf8(payload).unwrap());
        }
    };
    tokio::time::timeout(DEADLINE, reading).await.unwrap();
    texts
}

fn text(text: impl Into<String>) -> Frame {
    Frame::Text(text.into().into())
}

#[tokio::test]
async fn frames_for_a_resting_connection_are_written_at_the_end_of_the_scope_without_a_wake_up() {
    let mut peers = Peers::connect(None).await;
    let scope = defer_flushes();
    peers.handle.push(text("one"));
    peers.handle.push(text("two"));
    assert_eq!(peers.handle.outbound.buffered_bytes(), 6);
    drop(scope);
    assert_eq!(peers.read_texts(2).await, ["one", "two"]);
    assert_eq!(peers.wakes(), 0);
    assert_eq!(peers.handle.outbound.buffered_bytes(), 0);
    assert_eq!(peers.handle.traffic.sent.frames(), 2);
    assert_eq!(peers.handle.traffic.sent.bytes(), 6);
}

#[tokio::test]
async fn a_push_outside_a_scope_wakes_the_connection() {
    let mut peers = Peers::connect(None).await;
    peers.handle.push(text("one"));
    assert_eq!(peers.wakes(), 1);
    peers.rest();
    assert_eq!(peers.read_texts(1).await, ["one"]);
}

#[tokio::test]
async fn a_connection_that_polls_between_push_and_flush_writes_the_frames_once() {
    let mut peers = Peers::connect(None).await;
    let scope = defer_flushes();
    peers.handle.push(text("one"));
    peers.rest();
    drop(scope);
    peers.handle.push(text("two"));
    peers.rest();
    assert_eq!(peers.read_texts(2).await, ["one", "two"]);
    assert_eq!(peers.handle.traffic.sent.frames(), 2);
}

#[tokio::test]
async fn frames_keep_their_order_whoever_writes_them() {
    let mut peers = Peers::connect(None).await;
    for round in 0..50 {
        let scope = defer_flushes();
        peers.handle.push(text(format!("{round} deferred")));
        let list = scope.take();
        drop(scope);
        peers.handle.push(text(format!("{round} with a wake-up")));
        if round % 2 == 0 {
            peers.rest();
        }
        drop(list);
        peers.rest();
    }
    let expected =
        (0..50).flat_map(|round| [format!("{round} deferred"), format!("{round} with a wake-up")]);
    assert_eq!(peers.read_texts(100).await, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn a_socket_that_accepts_only_a_part_leaves_the_rest_to_the_connection() {
    let peers = Peers::connect(None).await;
    let mut sent = 0;
    // Until the socket is full. The connection does not poll meanwhile.
    while peers.wakes() == 0 {
        let scope = defer_flushes();
        for _ in 0..100 {
            peers.handle.push(text(format!("{sent:0100}")));
            sent += 1;
        }
        drop(scope);
    }
    peers.handle.push(text("last"));
    let Peers { mut client, mut connection, .. } = peers;
    let reading = async {
        let texts = read_texts(&mut client, sent + 1).await;
        assert!(texts.iter().take(sent).enumerate().all(|(i, text)| *text == format!("{i:0100}")));
        assert_eq!(texts[sent], "last");
    };
    tokio::select! {
        () = reading => {}
        event = connection.next_event(ReadMode::Read) => panic!("{event:?}"),
    }
}

#[tokio::test]
async fn frames_of_the_channel_do_not_overtake_a_busy_session() {
    let mut peers = Peers::connect(None).await;
    let scope = defer_flushes();
    assert!(peers.handle.push_if_idle(&text("idle")));
    // The session handles a timer.
    peers.handle.outbound.resume_task();
    assert!(!peers.handle.push_if_idle(&text("busy")));
    peers.rest();
    // The session waits for a call of its guest, and serves the client meanwhile.
    let waker = Waker::from(Arc::clone(&peers.wakes));
    {
        let mut serving = std::pin::pin!(peers.connection.next_event(ReadMode::Read));
        for _ in 0..2 {
            assert!(serving.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            assert!(!peers.handle.push_if_idle(&text("in call")));
        }
        // Frames of other consumers do not wait for the call.
        let wakes = peers.wakes.0.load(Ordering::Relaxed);
        peers.handle.push(text("from another consumer"));
        assert_eq!(peers.wakes.0.load(Ordering::Relaxed), wakes);
    }
    drop(scope);
    assert_eq!(peers.read_texts(2).await, ["idle", "from another consumer"]);
}

#[tokio::test]
async fn a_frame_that_the_connection_has_received_makes_it_busy() {
    let mut peers = Peers::connect(None).await;
    peers.client.write_all(MASKED_PING).await.unwrap();
    let received = tokio::time::timeout(DEADLINE, async {
        loop {
            if let Poll::Ready(event) = peers.poll() {
                return event;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    assert!(matches!(received.await.unwrap(), ConnectionEvent::Message(_)));
    let _scope = defer_flushes();
    assert!(!peers.handle.push_if_idle(&text("busy")));
}

#[tokio::test]
async fn a_limited_rate_is_left_to_the_connection() {
    let mut peers = Peers::connect(None).await;
    peers.quota.set_plugin_limits(&Quota { frames_out: Some(1_000), ..Quota::default() });
    let _scope = defer_flushes();
    assert!(!peers.handle.push_if_idle(&text("limited")));
    peers.handle.push(text("limited"));
    assert_eq!(peers.wakes(), 1);
    peers.rest();
    assert_eq!(peers.read_texts(1).await, ["limited"]);
}

#[tokio::test]
async fn compressed_connections_and_large_frames_are_left_to_the_connection() {
    let large = Frame::Binary(vec![0; 4 * 1024].into());
    let offers = Extension::parse_all([b"permessage-deflate".as_slice()]).unwrap();
    let deflate = DeflateParams::negotiate(&offers, DeflateMode::ContextTakeover);
    let compressed = Peers::connect(deflate.map(|(params, _)| params)).await;
    let _scope = defer_flushes();
    compressed.handle.push(text("compressed"));
    assert_eq!(compressed.wakes(), 1);
    let plain = Peers::connect(None).await;
    plain.handle.push(large);
    assert_eq!(plain.wakes(), 1);
}

#[tokio::test]
async fn a_dropped_connection_closes_its_socket_although_frames_wait_for_a_flush() {
    let Peers { mut client, connection, handle, .. } = Peers::connect(None).await;
    let scope = defer_flushes();
    handle.push(text("lost"));
    drop(connection);
    let mut bytes = Vec::new();
    let reading = tokio::time::timeout(DEADLINE, client.read_to_end(&mut bytes));
    assert_eq!(reading.await.unwrap().unwrap(), 0);
    drop(scope);
    assert_eq!(handle.traffic.sent.frames(), 0);
}
