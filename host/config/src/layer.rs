//! `[layer]` and `[layers.NAME]`: the channel layers.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use toml::{Spanned, Value};

use super::capacity_rule::{CapacityRule, CapacityRules};
use super::error::{ConfigError, Locator};
use super::layer_backend::{LayerBackend, RedisConfig, RedisHost, RedisServer, Serializer};
use super::redis_hosts;
use super::redis_prefix::check_prefix;
use super::secret::Secret;
use narrowboat_core::units::{ByteSize, DurationSetting, SecondsSetting};

/// The layer of a plugin that does not name another one.
pub const DEFAULT_LAYER: &str = "default";

/// The default of `random_prefix_length`, as in channels_redis.
const DEFAULT_RANDOM_PREFIX_LENGTH: usize = 12;

/// The largest value of `random_prefix_length`; a larger one is probably a typing error.
const MAX_RANDOM_PREFIX_LENGTH: usize = 1_024;

/// The settings of a channel layer, after Channels' `CHANNEL_LAYERS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerConfig {
    /// The backend.
    pub backend: LayerBackend,
    /// Messages that a channel holds if no rule of `channel_capacity` matches its name.
    pub capacity: usize,
    /// Other capacities. The first rule that matches the name of a channel wins.
    pub channel_capacity: Vec<CapacityRule>,
    /// How long a message waits for a reader.
    pub expiry: DurationSetting,
    /// How long a membership lasts that no open connection holds.
    pub group_expiry: DurationSetting,
    /// Bytes that a channel holds.
    pub mailbox_bytes: ByteSize,
    /// The largest message.
    pub max_message: ByteSize,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawLayerBackend {
    Memory,
    Redis,
    RedisPubsub,
}

/// `[layer]` and `[layers.NAME]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLayer {
    backend: RawLayerBackend,
    capacity: Spanned<usize>,
    channel_capacity: Spanned<CapacityRules>,
    expiry: Spanned<SecondsSetting>,
    group_expiry: Spanned<SecondsSetting>,
    mailbox_bytes: Spanned<ByteSize>,
    max_message: Spanned<ByteSize>,
    hosts: Option<Spanned<Value>>,
    prefix: Option<Spanned<String>>,
    symmetric_encryption_keys: Option<Spanned<Value>>,
    serializer: Option<Spanned<Serializer>>,
    serializer_format: Option<Spanned<Serializer>>,
    random_prefix_length: Option<Spanned<usize>>,
}

impl Default for RawLayer {
    fn default() -> Self {
        Self {
            backend: RawLayerBackend::Memory,
            capacity: Spanned::new(0..0, 100),
            channel_capacity: Spanned::new(0..0, CapacityRules::default()),
            expiry: Spanned::new(0..0, SecondsSetting(DurationSetting::from_secs(60))),
            group_expiry: Spanned::new(0..0, SecondsSetting(DurationSetting::from_secs(86_400))),
            mailbox_bytes: Spanned::new(0..0, ByteSize::mib(1)),
            max_message: Spanned::new(0..0, ByteSize::mib(1)),
            hosts: None,
            prefix: None,
            symmetric_encryption_keys: None,
            serializer: None,
            serializer_format: None,
            random_prefix_length: None,
        }
    }
}

/// Checks the layers of a tenant, and returns them by name. Layers of `shared` that the tenant does not define are
/// added, and `default` is always there. `default_table` is the table `[layer]`.
pub(super) fn check_all(
    default_table: Option<Spanned<RawLayer>>,
    named: BTreeMap<String, Spanned<RawLayer>>,
    shared: &BTreeMap<String, Arc<LayerConfig>>,
    folder: &Path,
    location: &Locator<'_>,
) -> Result<BTreeMap<String, Arc<LayerConfig>>, ConfigError> {
    let mut layers = BTreeMap::new();
    if let Some(raw) = default_table {
        let layer = raw.into_inner().check("layer", folder, location)?;
        layers.insert(DEFAULT_LAYER.to_owned(), Arc::new(layer));
    }
    for (name, raw) in named {
        let (key, span) = (format!("layers.{name}"), raw.span());
        if layers.contains_key(&name) {
            let problem = "is the same layer as [layer]; keep one of the two tables";
            return Err(location.invalid(span, &key, problem));
        }
        let layer = raw.into_inner().check(&key, folder, location)?;
        layers.insert(name, Arc::new(layer));
    }
    for (name, layer) in shared {
        layers.entry(name.clone()).or_insert_with(|| Arc::clone(layer));
    }
    if !layers.contains_key(DEFAULT_LAYER) {
        let layer = RawLayer::default().check("layer", folder, location)?;
        layers.insert(DEFAULT_LAYER.to_owned(), Arc::new(layer));
    }
    Ok(layers)
}

impl RawLayer {
    fn check(
        self,
        table: &str,
        folder: &Path,
        location: &Locator<'_>,
    ) -> Result<LayerConfig, ConfigError> {
        let invalid = |span: Range<usize>, key: &str, problem: &str| {
            location.invalid(span, &format!("{table}.{key}"), problem)
        };
        if *self.capacity.get_ref() == 0 {
            let problem = "must be at least 1 message";
            return Err(invalid(self.capacity.span(), "capacity", problem));
        }
        for (key, duration) in [("expiry", &self.expiry), ("group_expiry", &self.group_expiry)] {
            if duration.get_ref().0 < DurationSetting::from_millis(1) {
                return Err(invalid(duration.span(), key, "must be at least 1ms"));
            }
        }
        let sizes = [("mailbox_bytes", &self.mailbox_bytes), ("max_message", &self.max_message)];
        for (key, size) in sizes {
            if size.get_ref().bytes() == 0 {
                return Err(invalid(size.span(), key, "must be more than 0 bytes"));
            }
        }
        if self.channel_capacity.get_ref().0.iter().any(|rule| rule.capacity == 0) {
            let problem = "must be at least 1 message";
            return Err(invalid(self.channel_capacity.span(), "channel_capacity", problem));
        }
        Ok(LayerConfig {
            backend: self.check_backend(table, folder, location)?,
            capacity: self.capacity.into_inner(),
            channel_capacity: self.channel_capacity.into_inner().0,
            expiry: self.expiry.into_inner().0,
            group_expiry: self.group_expiry.into_inner().0,
            mailbox_bytes: self.mailbox_bytes.into_inner(),
            max_message: self.max_message.into_inner(),
        })
    }

    fn check_backend(
        &self,
        table: &str,
        folder: &Path,
        location: &Locator<'_>,
    ) -> Result<LayerBackend, ConfigError> {
        if self.backend == RawLayerBackend::Memory {
            return match self.find_redis_only_key() {
                None => Ok(LayerBackend::Memory),
                Some((key, span)) => {
                    let problem = "belongs to backend = \"redis\" or \"redis-pubsub\"; set one of these, or remove the key";
                    Err(location.invalid(span, &format!("{table}.{key}"), problem))
                }
            };
        }
        let redis = self.check_redis(table, folder, location)?;
        match (self.backend, &self.random_prefix_length) {
            (RawLayerBackend::RedisPubsub, Some(length)) if *length.get_ref() > 0 => {
                let key = format!("{table}.random_prefix_length");
                let problem = "must be 0 with backend = \"redis-pubsub\", which has no prefixes; remove the key";
                Err(location.invalid(length.span(), &key, problem))
            }
            (RawLayerBackend::RedisPubsub, _) => {
                Ok(LayerBackend::RedisPubSub(RedisConfig { random_prefix_length: 0, ..redis }))
            }
            _ => Ok(LayerBackend::Redis(redis)),
        }
    }

    /// Finds a key that belongs to a Redis backend.
    fn find_redis_only_key(&self) -> Option<(&'static str, Range<usize>)> {
        let hosts = self.hosts.as_ref().map(|it| ("hosts", it.span()));
        let prefix = self.prefix.as_ref().map(|it| ("prefix", it.span()));
        let keys = self.symmetric_encryption_keys.as_ref();
        let keys = keys.map(|it| ("symmetric_encryption_keys", it.span()));
        let serializer = self.serializer.as_ref().map(|it| ("serializer", it.span()));
        let format = self.serializer_format.as_ref().map(|it| ("serializer_format", it.span()));
        let length = self.random_prefix_length.as_ref();
        let length = length.map(|it| ("random_prefix_length", it.span()));
        hosts.or(prefix).or(keys).or(serializer).or(format).or(length)
    }

    fn check_redis(
        &self,
        table: &str,
        folder: &Path,
        location: &Locator<'_>,
    ) -> Result<RedisConfig, ConfigError> {
        let hosts = match &self.hosts {
            None => vec![RedisHost::Server(RedisServer::default())],
            Some(value) => {
                redis_hosts::parse_redis_hosts(value.get_ref(), folder, location.secrets).map_err(
                    |(sub_key, problem)| {
                        location.invalid(value.span(), &format!("{table}.hosts{sub_key}"), problem)
                    },
                )?
            }
        };
        let prefix = match &self.prefix {
            None => "asgi".to_owned(),
            Some(prefix) => check_prefix(prefix, &format!("{table}.prefix"), location)?,
        };
        if let (Some(_), Some(second)) = (&self.serializer, &self.serializer_format) {
            let problem = "is Django's name for `serializer`; keep one of the two keys";
            let key = format!("{table}.serializer_format");
            return Err(location.invalid(second.span(), &key, problem));
        }
        let serializer = self.serializer.as_ref().or(self.serializer_format.as_ref());
        let random_prefix_length = match &self.random_prefix_length {
            None => DEFAULT_RANDOM_PREFIX_LENGTH,
            Some(length) if *length.get_ref() <= MAX_RANDOM_PREFIX_LENGTH => *length.get_ref(),
            Some(length) => {
                let problem = format!("must be at most {MAX_RANDOM_PREFIX_LENGTH} bytes");
                let key = format!("{table}.random_prefix_length");
                return Err(location.invalid(length.span(), &key, problem));
            }
        };
        Ok(RedisConfig {
            hosts,
            prefix,
            symmetric_encryption_keys: self.check_encryption_keys(table, location)?,
            serializer: serializer.map(|it| *it.get_ref()).unwrap_or_default(),
            random_prefix_length,
        })
    }

    fn check_encryption_keys(
        &self,
        table: &str,
        location: &Locator<'_>,
    ) -> Result<Vec<Secret>, ConfigError> {
        let Some(value) = &self.symmetric_encryption_keys else { return Ok(Vec::new()) };
        let key = format!("{table}.symmetric_encryption_keys");
        let is_key = |key: &Value| match key {
            Value::String(text) => !text.is_empty(),
            other => other.is_table(),
        };
        match value.get_ref().as_array().filter(|list| list.iter().all(is_key)) {
            Some(list) => list
                .iter()
                .map(|secret| location.parse_secret(secret, value.span(), &key))
                .collect(),
            None => {
                let problem = "must be a list of keys in quotes, { env = \"NAME\" } or { file = \"PATH\" }, \
                     and no key may be empty";
                Err(location.invalid(value.span(), &key, problem))
            }
        }
    }
}
