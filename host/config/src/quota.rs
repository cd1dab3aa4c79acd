//! `[plugins.NAME.limits]` and `[tenants.NAME.limits]`: limits of one plugin, and of all plugins of a tenant together.

use std::fmt::Display;

use serde::Deserialize;
use toml::Spanned;

use super::error::{ConfigError, Locator};
use super::limits::Limits;
use narrowboat_core::units::{ByteSize, DurationSetting};

/// Limits of a plugin, or of a tenant. Where a field is `None`, only the limits of the tenant and of the host hold. The
/// limits of a plugin narrow those of its tenant, and these narrow those of the host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quota {
    /// Linear memory of one instance.
    pub memory: Option<ByteSize>,
    /// Running time of one call for a connection.
    pub call_time: Option<DurationSetting>,
    /// Running time of a worker for one message.
    pub worker_time: Option<DurationSetting>,
    /// Pending timers of one connection.
    pub timers: Option<usize>,
    /// Log lines of one version in a second, in the long run.
    pub log_lines_per_second: Option<u64>,
    /// Saved state of one consumer, or of a module, that moves to a new version.
    pub snapshot: Option<ByteSize>,
    /// Groups that one connection may be in. Only a tenant has this limit, since layers belong to tenants.
    pub groups: Option<usize>,
    /// Connections at a time.
    pub connections: Option<usize>,
    /// Connections at a time of one client address.
    pub connections_per_address: Option<usize>,
    /// Handshakes in a second.
    pub handshakes_per_second: Option<u64>,
    /// Running instances.
    pub instances: Option<usize>,
    /// Running time of guests in a second.
    pub cpu: Option<DurationSetting>,
    /// Messages of clients in a second.
    pub frames_in: Option<u64>,
    /// Bytes of clients in a second.
    pub bytes_in: Option<ByteSize>,
    /// Frames to clients in a second.
    pub frames_out: Option<u64>,
    /// Bytes to clients in a second.
    pub bytes_out: Option<ByteSize>,
    /// All saved states for rollbacks, restarts and connections that hibernate.
    pub total_snapshots: Option<ByteSize>,
    /// Linear memory of all instances together, as it counts towards this limit.
    pub total_memory: Option<ByteSize>,
    /// HTTP requests that are open at a time.
    pub http_requests: Option<usize>,
    /// Versions that are compiled and tried at a time.
    pub loads: Option<usize>,
    /// Uploads and changed files in a minute.
    pub deploys_per_minute: Option<u64>,
    /// Processor time of the compilation of one component.
    pub compile_time: Option<DurationSetting>,
    /// Memory of the compilation of one component.
    pub compile_memory: Option<ByteSize>,
    /// Bytes of all key-value buckets. Only a tenant has this limit, since buckets belong to tenants.
    pub keyvalue: Option<ByteSize>,
}

impl Quota {
    /// Fills the limits that are not set with those of `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            memory: self.memory.or(other.memory),
            call_time: self.call_time.or(other.call_time),
            worker_time: self.worker_time.or(other.worker_time),
            timers: self.timers.or(other.timers),
            log_lines_per_second: self.log_lines_per_second.or(other.log_lines_per_second),
            snapshot: self.snapshot.or(other.snapshot),
            groups: self.groups.or(other.groups),
            connections: self.connections.or(other.connections),
            connections_per_address: self.connections_per_address.or(other.connections_per_address),
            handshakes_per_second: self.handshakes_per_second.or(other.handshakes_per_second),
            instances: self.instances.or(other.instances),
            cpu: self.cpu.or(other.cpu),
            frames_in: self.frames_in.or(other.frames_in),
            bytes_in: self.bytes_in.or(other.bytes_in),
            frames_out: self.frames_out.or(other.frames_out),
            bytes_out: self.bytes_out.or(other.bytes_out),
            total_snapshots: self.total_snapshots.or(other.total_snapshots),
            total_memory: self.total_memory.or(other.total_memory),
            http_requests: self.http_requests.or(other.http_requests),
            loads: self.loads.or(other.loads),
            deploys_per_minute: self.deploys_per_minute.or(other.deploys_per_minute),
            compile_time: self.compile_time.or(other.compile_time),
            compile_memory: self.compile_memory.or(other.compile_memory),
            keyvalue: self.keyvalue.or(other.keyvalue),
        }
    }

    /// Returns the limits that may change while the plugin is served. The other ones are fixed in its instances.
    #[must_use]
    pub fn reloadable(self) -> Self {
        Self {
            memory: None,
            call_time: None,
            worker_time: None,
            timers: None,
            log_lines_per_second: None,
            snapshot: None,
            groups: None,
            ..self
        }
    }

    /// Returns the limits that are fixed in the instances of a plugin, and in its layers.
    #[must_use]
    pub fn fixed_at_start(self) -> Self {
        let Self {
            memory,
            call_time,
            worker_time,
            timers,
            log_lines_per_second,
            snapshot,
            groups,
            ..
        } = self;
        Self {
            memory,
            call_time,
            worker_time,
            timers,
            log_lines_per_second,
            snapshot,
            groups,
            ..Self::default()
        }
    }

    /// Checks a table of limits, which is at `key`, against the limits of the host.
    pub(super) fn check(
        raw: Option<Spanned<Self>>,
        host: &Limits,
        key: &str,
        location: &Locator<'_>,
    ) -> Result<Self, ConfigError> {
        let Some(raw) = raw else { return Ok(Self::default()) };
        let quota = *raw.get_ref();
        let zero = quota.zero_fields().into_iter().find(|(_, is_zero)| *is_zero);
        let zero = zero.map(|(name, _)| (name, "must be more than zero".to_owned()));
        match zero.or_else(|| quota.find_above(host)) {
            None => Ok(quota),
            Some((name, problem)) => {
                let place = location.find_key(raw.span(), name);
                Err(location.invalid(place, &format!("{key}.{name}"), problem))
            }
        }
    }

    /// Finds a limit that is above the one of the host: its key, and the error.
    fn find_above(&self, host: &Limits) -> Option<(&'static str, String)> {
        fn compare<T: Display + PartialOrd>(value: Option<T>, limit: T) -> Option<String> {
            let value = value.filter(|value| *value > limit)?;
            Some(format!(
                "{value} is more than the host's own limit of {limit}; lower it, or raise the limit in [limits]"
            ))
        }
        let memory = compare(self.memory, host.memory).map(|problem| ("memory", problem));
        let call_time = compare(self.call_time, host.call_time);
        let worker_time = compare(self.worker_time, host.worker_time);
        let compile_time = compare(self.compile_time, host.compile_time);
        let compile_memory = compare(self.compile_memory, host.compile_memory);
        memory
            .or_else(|| call_time.map(|problem| ("call_time", problem)))
            .or_else(|| worker_time.map(|problem| ("worker_time", problem)))
            .or_else(|| compile_time.map(|problem| ("compile_time", problem)))
            .or_else(|| compile_memory.map(|problem| ("compile_memory", problem)))
    }

    /// Returns each key, and whether it is set to a zero that is not allowed.
    fn zero_fields(&self) -> [(&'static str, bool); 24] {
        let size = |size: Option<ByteSize>| size.is_some_and(|size| size.bytes() == 0);
        let duration = |duration: Option<DurationSetting>| {
            duration.is_some_and(|duration| duration < DurationSetting::from_millis(1))
        };
        [
            ("memory", size(self.memory)),
            ("call_time", duration(self.call_time)),
            ("worker_time", duration(self.worker_time)),
            // Zero is a valid limit of timers, log lines and groups.
            ("timers", false),
            ("log_lines_per_second", false),
            ("groups", false),
            ("snapshot", size(self.snapshot)),
            ("connections", self.connections == Some(0)),
            ("connections_per_address", self.connections_per_address == Some(0)),
            ("handshakes_per_second", self.handshakes_per_second == Some(0)),
            ("instances", self.instances == Some(0)),
            ("cpu", duration(self.cpu)),
            ("frames_in", self.frames_in == Some(0)),
            ("bytes_in", size(self.bytes_in)),
            ("frames_out", self.frames_out == Some(0)),
            ("bytes_out", size(self.bytes_out)),
            ("total_snapshots", size(self.total_snapshots)),
            ("total_memory", size(self.total_memory)),
            ("http_requests", self.http_requests == Some(0)),
            ("loads", self.loads == Some(0)),
            ("deploys_per_minute", self.deploys_per_minute == Some(0)),
            ("compile_time", duration(self.compile_time)),
            ("compile_memory", size(self.compile_memory)),
            ("keyvalue", size(self.keyvalue)),
        ]
    }
}
