//! `[keyvalue]`: where plugins store keys and values.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use toml::{Spanned, Value};

use super::error::{ConfigError, Locator};
use super::layer_backend::{RedisHost, RedisServer};
use super::redis_hosts;
use super::redis_prefix::check_prefix;
use narrowboat_core::units::{ByteSize, DurationSetting};

/// The default beginning of every Redis key.
const DEFAULT_PREFIX: &str = "keyvalue";

/// The default of `room_lease`.
const DEFAULT_ROOM_LEASE: Duration = Duration::from_secs(10);

/// The values that `room_lease` may have.
const ROOM_LEASES: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(600);

/// The largest value of `max_value`: a host call copies no more bytes out of a guest.
const MAX_VALUE_CEILING: ByteSize = ByteSize::mib(4);

/// The largest value of `max_key`.
const MAX_KEY_CEILING: ByteSize = ByteSize::kib(64);

/// Where plugins store keys and values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyvalueConfig {
    /// The backend of the store.
    pub backend: KeyvalueBackend,
    /// Bytes in all buckets of a tenant without a `keyvalue` limit.
    pub quota: ByteSize,
    /// The largest value.
    pub max_value: ByteSize,
    /// The longest key.
    pub max_key: ByteSize,
}

/// The folder of the store below the folder for state. Names of plugins and tenants do not contain `.`.
const DEFAULT_FOLDER: &str = ".keyvalue";

/// The backend of the key-value store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyvalueBackend {
    /// The memory of this process. Values end with the process.
    Memory,
    /// A file of this machine, which one process at a time has open.
    File {
        /// The folder of the file, which the host creates at start.
        folder: PathBuf,
    },
    /// A Redis, which several hosts may share.
    Redis {
        /// The host of Redis.
        host: Box<RedisHost>,
        /// The beginning of every key.
        prefix: String,
        /// How long a host owns a room after it has last renewed its lease.
        room_lease: Duration,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawKeyvalueBackend {
    Memory,
    File,
    Redis,
}

/// `[keyvalue]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawKeyvalue {
    backend: Option<Spanned<RawKeyvalueBackend>>,
    path: Option<Spanned<PathBuf>>,
    hosts: Option<Spanned<Value>>,
    prefix: Option<Spanned<String>>,
    room_lease: Option<Spanned<DurationSetting>>,
    quota: Spanned<ByteSize>,
    max_value: Spanned<ByteSize>,
    max_key: Spanned<ByteSize>,
}

impl Default for RawKeyvalue {
    fn default() -> Self {
        Self {
            backend: None,
            path: None,
            hosts: None,
            prefix: None,
            room_lease: None,
            quota: Spanned::new(0..0, ByteSize::mib(16)),
            max_value: Spanned::new(0..0, ByteSize::mib(1)),
            max_key: Spanned::new(0..0, ByteSize::kib(1)),
        }
    }
}

impl RawKeyvalue {
    /// Checks the table. `state` is the folder for the state of this host, if one is known.
    pub(super) fn check(
        self,
        folder: &Path,
        state: Option<&Path>,
        location: &Locator<'_>,
    ) -> Result<KeyvalueConfig, ConfigError> {
        let sizes = [
            ("quota", &self.quota, None),
            ("max_value", &self.max_value, Some(MAX_VALUE_CEILING)),
            ("max_key", &self.max_key, Some(MAX_KEY_CEILING)),
        ];
        for (key, size, ceiling) in sizes {
            let problem = match ceiling {
                _ if size.get_ref().bytes() == 0 => "must be more than 0 bytes".to_owned(),
                Some(ceiling) if *size.get_ref() > ceiling => format!("must be at most {ceiling}"),
                _ => continue,
            };
            return Err(location.invalid(size.span(), &format!("keyvalue.{key}"), problem));
        }
        Ok(KeyvalueConfig {
            backend: self.check_backend(folder, state, location)?,
            quota: self.quota.into_inner(),
            max_value: self.max_value.into_inner(),
            max_key: self.max_key.into_inner(),
        })
    }

    fn check_backend(
        &self,
        folder: &Path,
        state: Option<&Path>,
        location: &Locator<'_>,
    ) -> Result<KeyvalueBackend, ConfigError> {
        let backend = self.backend.as_ref().map(|backend| *backend.get_ref());
        let backend = backend.unwrap_or(match (&self.path, state) {
            (None, None) => RawKeyvalueBackend::Memory,
            _ => RawKeyvalueBackend::File,
        });
        self.check_foreign_keys(backend, location)?;
        match backend {
            RawKeyvalueBackend::Memory => Ok(KeyvalueBackend::Memory),
            RawKeyvalueBackend::File => self.check_path(folder, state, location),
            RawKeyvalueBackend::Redis => {
                let prefix = match &self.prefix {
                    None => DEFAULT_PREFIX.to_owned(),
                    Some(prefix) => check_prefix(prefix, "keyvalue.prefix", location)?,
                };
                let host = Box::new(self.check_host(folder, location)?);
                let room_lease = self.check_room_lease(location)?;
                Ok(KeyvalueBackend::Redis { host, prefix, room_lease })
            }
        }
    }

    /// Refuses the keys of other backends.
    fn check_foreign_keys(
        &self,
        backend: RawKeyvalueBackend,
        location: &Locator<'_>,
    ) -> Result<(), ConfigError> {
        let spans = [
            ("hosts", "redis", RawKeyvalueBackend::Redis, self.hosts.as_ref().map(Spanned::span)),
            ("prefix", "redis", RawKeyvalueBackend::Redis, self.prefix.as_ref().map(Spanned::span)),
            (
                "room_lease",
                "redis",
                RawKeyvalueBackend::Redis,
                self.room_lease.as_ref().map(Spanned::span),
            ),
            ("path", "file", RawKeyvalueBackend::File, self.path.as_ref().map(Spanned::span)),
        ];
        for (key, name, owner, span) in spans {
            if let (Some(span), true) = (span, owner != backend) {
                let problem =
                    format!("belongs to backend = \"{name}\"; set this backend, or remove the key");
                return Err(location.invalid(span, &format!("keyvalue.{key}"), problem));
            }
        }
        Ok(())
    }

    fn check_room_lease(&self, location: &Locator<'_>) -> Result<Duration, ConfigError> {
        let Some(lease) = &self.room_lease else { return Ok(DEFAULT_ROOM_LEASE) };
        let duration = lease.get_ref().duration();
        if ROOM_LEASES.contains(&duration) {
            return Ok(duration);
        }
        let problem = "must be from 1s to 10m";
        Err(location.invalid(lease.span(), "keyvalue.room_lease", problem))
    }

    fn check_path(
        &self,
        folder: &Path,
        state: Option<&Path>,
        location: &Locator<'_>,
    ) -> Result<KeyvalueBackend, ConfigError> {
        let folder = match (&self.path, state) {
            (Some(path), _) if path.get_ref().as_os_str().is_empty() => {
                let problem = "must name a folder; remove the key for the default folder";
                return Err(location.invalid(path.span(), "keyvalue.path", problem));
            }
            (Some(path), _) => folder.join(path.get_ref()).components().collect(),
            (None, Some(state)) => state.join(DEFAULT_FOLDER),
            (None, None) => {
                let span = self.backend.as_ref().map(Spanned::span).unwrap_or_default();
                let problem = "needs a folder; name one with `path`, or add the table [versions]";
                return Err(location.invalid(span, "keyvalue.backend", problem));
            }
        };
        Ok(KeyvalueBackend::File { folder })
    }

    /// Parses `hosts`, which must have exactly one host: a quota is counted in the Redis that has the values.
    fn check_host(&self, folder: &Path, location: &Locator<'_>) -> Result<RedisHost, ConfigError> {
        let Some(value) = &self.hosts else {
            return Ok(RedisHost::Server(RedisServer::default()));
        };
        let hosts = redis_hosts::parse_redis_hosts(value.get_ref(), folder, location.secrets);
        let mut hosts = hosts.map_err(|(sub_key, problem)| {
            location.invalid(value.span(), &format!("keyvalue.hosts{sub_key}"), problem)
        })?;
        match (hosts.pop(), hosts.is_empty()) {
            (Some(host), true) => Ok(host),
            _ => {
                let problem = "must be one host, which counts the quota of all values; remove the other hosts";
                Err(location.invalid(value.span(), "keyvalue.hosts", problem))
            }
        }
    }
}
