//! `[keyvalue]`: where plugins keep keys and values, and how much of them.

use std::path::Path;

use serde::Deserialize;
use toml::{Spanned, Value};

use super::error::{ConfigError, Locator};
use super::layer_backend::{RedisHost, RedisServer};
use super::{layer, redis_hosts};
use narrowboat_core::units::ByteSize;

/// What every key of Redis begins with, unless it is told.
const DEFAULT_PREFIX: &str = "keyvalue";

/// What one import takes out of a guest has a bound that no larger value would keep to.
const MAX_VALUE_CEILING: ByteSize = ByteSize::mib(4);

/// The longest that a key may be made.
const MAX_KEY_CEILING: ByteSize = ByteSize::kib(64);

/// Where plugins keep keys and values, and how much of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyvalueConfig {
    /// What keeps them.
    pub backend: KeyvalueBackend,
    /// Bytes that all plugins of a tenant may keep together, whose limits do not say it.
    pub quota: ByteSize,
    /// The largest value.
    pub max_value: ByteSize,
    /// The longest key.
    pub max_key: ByteSize,
}

/// What keeps keys and values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyvalueBackend {
    /// This process, for as long as it runs.
    Memory,
    /// A Redis, which hosts may share.
    Redis {
        /// Where it is.
        host: Box<RedisHost>,
        /// What every key begins with.
        prefix: String,
    },
}

#[derive(Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawKeyvalueBackend {
    #[default]
    Memory,
    Redis,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawKeyvalue {
    backend: RawKeyvalueBackend,
    hosts: Option<Spanned<Value>>,
    prefix: Option<Spanned<String>>,
    quota: Spanned<ByteSize>,
    max_value: Spanned<ByteSize>,
    max_key: Spanned<ByteSize>,
}

impl Default for RawKeyvalue {
    fn default() -> Self {
        Self {
            backend: RawKeyvalueBackend::default(),
            hosts: None,
            prefix: None,
            quota: Spanned::new(0..0, ByteSize::mib(16)),
            max_value: Spanned::new(0..0, ByteSize::mib(1)),
            max_key: Spanned::new(0..0, ByteSize::kib(1)),
        }
    }
}

impl RawKeyvalue {
    pub(super) fn check(
        self,
        folder: &Path,
        location: &Locator<'_>,
    ) -> Result<KeyvalueConfig, ConfigError> {
        let bounds = [
            ("quota", &self.quota, None),
            ("max_value", &self.max_value, Some(MAX_VALUE_CEILING)),
            ("max_key", &self.max_key, Some(MAX_KEY_CEILING)),
        ];
        for (key, size, most) in bounds {
            let problem = match most {
                _ if size.get_ref().bytes() == 0 => "must be more than 0 bytes".to_owned(),
                Some(most) if *size.get_ref() > most => format!("must be at most {most}"),
                _ => continue,
            };
            return Err(location.invalid(size.span(), &format!("keyvalue.{key}"), problem));
        }
        Ok(KeyvalueConfig {
            backend: self.check_backend(folder, location)?,
            quota: self.quota.into_inner(),
            max_value: self.max_value.into_inner(),
            max_key: self.max_key.into_inner(),
        })
    }

    fn check_backend(
        &self,
        folder: &Path,
        location: &Locator<'_>,
    ) -> Result<KeyvalueBackend, ConfigError> {
        if self.backend == RawKeyvalueBackend::Memory {
            let hosts = self.hosts.as_ref().map(|hosts| ("hosts", hosts.span()));
            let prefix = self.prefix.as_ref().map(|prefix| ("prefix", prefix.span()));
            return match hosts.or(prefix) {
                None => Ok(KeyvalueBackend::Memory),
                Some((key, span)) => {
                    let problem = "belongs to backend = \"redis\"";
                    Err(location.invalid(span, &format!("keyvalue.{key}"), problem))
                }
            };
        }
        let prefix = match &self.prefix {
            None => DEFAULT_PREFIX.to_owned(),
            Some(prefix) => layer::check_prefix(prefix, "keyvalue.prefix", location)?,
        };
        let host = Box::new(self.check_host(folder, location)?);
        Ok(KeyvalueBackend::Redis { host, prefix })
    }

    /// One host alone: what a tenant keeps is counted where it is kept.
    fn check_host(&self, folder: &Path, location: &Locator<'_>) -> Result<RedisHost, ConfigError> {
        let Some(value) = &self.hosts else {
            return Ok(RedisHost::Server(RedisServer::default()));
        };
        let hosts = redis_hosts::parse_redis_hosts(value.get_ref(), folder);
        let mut hosts = hosts.map_err(|(below, problem)| {
            location.invalid(value.span(), &format!("keyvalue.hosts{below}"), problem)
        })?;
        match (hosts.pop(), hosts.is_empty()) {
            (Some(host), true) => Ok(host),
            _ => {
                let problem = "must be one host: the quota is counted where the values are";
                Err(location.invalid(value.span(), "keyvalue.hosts", problem))
            }
        }
    }
}
