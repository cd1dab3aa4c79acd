//! A Redis server, layers over it, and helpers of tests.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "a module of tests, each of which uses some"
)]
#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::future::Future;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use narrowboat_channels::{
    ChannelLayer, Delivery, LayerLimits, Mailbox, RedisLayer, RedisPubSubLayer,
};
use narrowboat_config::{
    self as config, Endpoint, RedisAccess, RedisConfig, RedisHost, Serializer,
};
use narrowboat_core::message::Message;
use narrowboat_core::name::{ChannelName, GroupName, Tenant};

use crate::proxy::Proxy;
use crate::support::RedisServer;

/// The time limit for each wait.
pub const DEADLINE: Duration = Duration::from_secs(60);

pub fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(2 * DEADLINE, test).await.unwrap() });
}

/// A Redis server, a proxy before it, and a connection past the proxy.
pub struct Redis {
    pub proxy: Proxy,
    direct: std::sync::Mutex<redis::Connection>,
    server: RedisServer,
}

impl Redis {
    pub fn start() -> Self {
        let server = RedisServer::start();
        let client = redis::Client::open(("127.0.0.1", server.port)).unwrap();
        let direct = std::sync::Mutex::new(client.get_connection().unwrap());
        Self { proxy: Proxy::start(server.port), direct, server }
    }

    pub fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query(&mut self.direct.lock().unwrap()).unwrap()
    }

    /// Puts an encoded message into a key, as a sender whose clock is `ahead` seconds fast.
    pub fn put(&self, key: &str, wire: &[u8], ahead: f64) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let mut command = redis::cmd("ZADD");
        command.arg(key).arg(now + ahead).arg(wire);
        command.query::<i64>(&mut self.direct.lock().unwrap()).unwrap();
    }

    pub async fn layer(&self, limits: LayerLimits) -> RedisLayer {
        started(RedisLayer::new("default", &config(self.proxy.port, 12), limits)).await
    }

    pub async fn pubsub(&self, limits: LayerLimits) -> RedisPubSubLayer {
        started(RedisPubSubLayer::new("default", &config(self.proxy.port, 0), limits)).await
    }

    /// A layer without the proxy.
    pub async fn other(&self) -> RedisLayer {
        let config = config(self.server.port, 12);
        started(RedisLayer::new("default", &config, LayerLimits::default())).await
    }
}

pub fn config(port: u16, random_prefix_length: usize) -> RedisConfig {
    RedisConfig {
        hosts: vec![RedisHost::Server(config::RedisServer {
            endpoint: Endpoint::Tcp("127.0.0.1".to_owned(), port),
            access: RedisAccess::default(),
        })],
        prefix: "asgi".to_owned(),
        symmetric_encryption_keys: Vec::new(),
        serializer: Serializer::Msgpack,
        random_prefix_length,
    }
}

pub async fn started<L: ChannelLayer>(layer: L) -> L {
    layer.start(&tokio::runtime::Handle::current());
    until(|| layer.status().is_connected).await;
    layer
}

pub async fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "the condition does not become true");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub fn tenant() -> Tenant {
    Tenant::default_tenant()
}

pub fn channel(name: &str) -> ChannelName {
    name.parse().unwrap()
}

pub fn group(name: &str) -> GroupName {
    name.parse().unwrap()
}

/// `{"type": kind}`
pub fn message(kind: &str) -> Message {
    let mut bytes = b"\x81\xa4type".to_vec();
    bytes.push(0xa0 | u8::try_from(kind.len()).unwrap());
    bytes.extend(kind.as_bytes());
    Message::parse(bytes.into(), usize::MAX).unwrap()
}

/// An encoded message of channels_redis: a random prefix, and a body in MessagePack.
pub fn wire(body: &[u8]) -> Vec<u8> {
    [&[0; 12], body].concat()
}

/// `{"type": "a", "__asgi_channel__": name}`
pub fn addressed(name: &ChannelName) -> Vec<u8> {
    let mut body = b"\x82\xa4type\xa1a\xb0__asgi_channel__\xd9".to_vec();
    body.push(u8::try_from(name.as_str().len()).unwrap());
    body.extend(name.as_str().as_bytes());
    wire(&body)
}

pub async fn received(mailbox: &mut Mailbox) -> String {
    match tokio::time::timeout(DEADLINE, mailbox.recv()).await.unwrap() {
        Delivery::Message(message) => message.message_type().to_owned(),
        Delivery::Frame(frame) => panic!("{frame:?}"),
    }
}

pub async fn opened(layer: &impl ChannelLayer, name: &str) -> Mailbox {
    layer.open_channel(&tenant(), &channel(name)).await.unwrap()
}

pub async fn sent(layer: &impl ChannelLayer, to: &str, kind: &str) {
    layer.send(&tenant(), &channel(to), message(kind)).await.unwrap();
}
