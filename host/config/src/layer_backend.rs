//! The backend of a channel layer: the memory of this process, or Redis. The names are those of Channels'
//! `CHANNEL_LAYERS`.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

/// The backend of a channel layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayerBackend {
    /// The memory of this process.
    Memory,
    /// Sorted sets in Redis, as `RedisChannelLayer` of channels_redis.
    Redis(RedisConfig),
    /// Publish and subscribe of Redis, as `RedisPubSubChannelLayer` of channels_redis.
    RedisPubSub(RedisConfig),
}

/// The settings of a layer with a Redis backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisConfig {
    /// The shards, at least one. Channels and groups are spread over them.
    pub hosts: Vec<RedisHost>,
    /// The beginning of every key.
    pub prefix: String,
    /// The keys that encrypt messages: the first one encrypts, and each one decrypts. Without keys, messages are not
    /// encrypted.
    pub symmetric_encryption_keys: Vec<Secret>,
    /// The format of messages.
    pub serializer: Serializer,
    /// The number of random bytes before each message, which keep two equal messages apart in a sorted set.
    pub random_prefix_length: usize,
}

/// The format of messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Serializer {
    /// MessagePack, as consumers write messages.
    #[default]
    Msgpack,
    /// JSON, which other programs can read. Messages cannot have bytes.
    Json,
}

/// A host of Redis, which is one shard of the layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisHost {
    /// A server at a fixed address.
    Server(RedisServer),
    /// The server that the sentinels name as the master.
    Sentinel {
        /// The sentinels in the order in which they are asked; at least one.
        sentinels: Vec<RedisServer>,
        /// The name of the master.
        master_name: String,
        /// Login, database and TLS of the master.
        master: RedisAccess,
    },
}

/// A server of Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisServer {
    /// The address of the server.
    pub endpoint: Endpoint,
    /// Login, database and TLS.
    pub access: RedisAccess,
}

/// The address of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A host name or IP address, and a port.
    Tcp(String, u16),
    /// A Unix socket.
    Unix(PathBuf),
}

/// Login, database and TLS of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedisAccess {
    /// The user; `None`: the user `default` of Redis.
    pub username: Option<String>,
    /// The password; `None`: no login.
    pub password: Option<Secret>,
    /// The number of the database.
    pub database: i64,
    /// TLS; `None`: the connection is not encrypted.
    pub tls: Option<RedisTls>,
}

/// TLS settings of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedisTls {
    /// Whether any certificate of the server is accepted: `ssl_cert_reqs = "none"`.
    pub skip_verify: bool,
    /// PEM file of the trusted authorities, instead of those of the system: `ssl_ca_certs`.
    pub ca_file: Option<PathBuf>,
    /// PEM files of the client certificate and its key: `ssl_certfile`, `ssl_keyfile`.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// A password or key, which `Debug` does not show.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Returns the secret.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self(secret)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Default for RedisServer {
    fn default() -> Self {
        Self {
            endpoint: Endpoint::Tcp("localhost".to_owned(), 6379),
            access: RedisAccess::default(),
        }
    }
}
