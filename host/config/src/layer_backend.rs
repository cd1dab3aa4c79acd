//! What carries a layer's messages: where its Redis is, and how they are written there. Spelled as in Channels'
//! `CHANNEL_LAYERS`.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

/// What carries a layer's messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayerBackend {
    /// This process's memory.
    Memory,
    /// Sorted sets of Redis: channels_redis's `RedisChannelLayer`.
    Redis(RedisConfig),
    /// Redis's publish and subscribe: channels_redis's `RedisPubSubChannelLayer`.
    RedisPubSub(RedisConfig),
}

/// The part of a layer's settings that only a Redis backend has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisConfig {
    /// At least one; channels and groups are spread over them.
    pub hosts: Vec<RedisHost>,
    /// What every key begins with.
    pub prefix: String,
    /// The first encrypts, each may decrypt; without any, messages are in the clear.
    pub symmetric_encryption_keys: Vec<Secret>,
    /// How messages are written.
    pub serializer: Serializer,
    /// Random bytes in front of each message, which keep two equal ones apart in a sorted set.
    pub random_prefix_length: usize,
}

/// How messages are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Serializer {
    /// As consumers write them.
    #[default]
    Msgpack,
    /// For other programs to read; bytes cannot be sent.
    Json,
}

/// One host, a shard of the layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisHost {
    /// A server at a fixed address.
    Server(RedisServer),
    /// Whichever server the sentinels call the master.
    Sentinel {
        /// Asked in their order; at least one.
        sentinels: Vec<RedisServer>,
        /// The name they know the master by.
        master_name: String,
        /// How to speak to the master.
        master: RedisAccess,
    },
}

/// A server and how to speak to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisServer {
    /// Where it listens.
    pub endpoint: Endpoint,
    /// How to speak to it.
    pub access: RedisAccess,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A host's name or address, and a port.
    Tcp(String, u16),
    /// A socket of the file system.
    Unix(PathBuf),
}

/// How to speak to a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedisAccess {
    /// Who logs in; none for the user that Redis calls `default`.
    pub username: Option<String>,
    /// None where no login is asked for.
    pub password: Option<Secret>,
    /// The number of the database.
    pub database: i64,
    /// TLS, if it is spoken.
    pub tls: Option<RedisTls>,
}

/// TLS to a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedisTls {
    /// The server's certificate is taken without a look: `ssl_cert_reqs = "none"`.
    pub skip_verify: bool,
    /// PEM file of the authorities to trust in place of the system's: `ssl_ca_certs`.
    pub ca_file: Option<PathBuf>,
    /// PEM files of the client's certificate and its key: `ssl_certfile`, `ssl_keyfile`.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// A password or key: never printed.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The secret itself.
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
