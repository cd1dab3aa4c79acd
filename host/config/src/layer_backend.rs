//! The backend of a channel layer: the memory of this process, or Redis. The names are those of Channels'
//! `CHANNEL_LAYERS`.

use std::path::PathBuf;

use serde::Deserialize;

use super::redis_endpoint::Endpoint;
use super::redis_login::{RedisLogin, UrlLogin};
use super::secret::Secret;

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

impl LayerBackend {
    /// Returns whether a URL of Redis has changed so that it names another server.
    pub fn has_moved(&self) -> bool {
        match self {
            Self::Memory => false,
            Self::Redis(redis) | Self::RedisPubSub(redis) => {
                redis.hosts.iter().any(RedisHost::has_moved)
            }
        }
    }
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

impl RedisHost {
    /// Returns whether the URL of the host has changed so that it names another server.
    pub fn has_moved(&self) -> bool {
        match self {
            Self::Server(server) => {
                let url = server.access.url_login.as_ref();
                url.is_some_and(|url| url.has_moved(&server.endpoint))
            }
            Self::Sentinel { .. } => false,
        }
    }
}

/// A server of Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisServer {
    /// The address of the server.
    pub endpoint: Endpoint,
    /// Login, database and TLS.
    pub access: RedisAccess,
}

/// Login, database and TLS of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedisAccess {
    /// The user; `None`: the user `default` of Redis.
    pub username: Option<String>,
    /// The password; `None`: no login.
    pub password: Option<Secret>,
    /// The URL in the environment or in a file that has the login, unless `username` and `password` set it.
    pub url_login: Option<UrlLogin>,
    /// The number of the database.
    pub database: i64,
    /// TLS; `None`: the connection is not encrypted.
    pub tls: Option<RedisTls>,
}

impl RedisAccess {
    /// Returns the user and the password of this moment, for a new connection to a server at `endpoint`.
    pub fn login(&self, endpoint: Option<&Endpoint>) -> RedisLogin {
        let of_url = self.url_login.as_ref().map(|url| url.login(endpoint)).unwrap_or_default();
        RedisLogin {
            username: self.username.clone().or(of_url.username),
            password: self.password.as_ref().map(Secret::expose).or(of_url.password),
        }
    }
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

impl Default for RedisServer {
    fn default() -> Self {
        Self {
            endpoint: Endpoint::Tcp("localhost".to_owned(), 6379),
            access: RedisAccess::default(),
        }
    }
}
