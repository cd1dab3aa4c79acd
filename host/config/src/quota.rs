//! `[plugins.NAME.limits]` and `[tenants.NAME.limits]`: what a plugin, or all plugins of a tenant together, may use.

use serde::Deserialize;
use toml::Spanned;

use super::error::{ConfigError, Locator};
use super::limits::Limits;
use narrowboat_core::units::{ByteSize, DurationSetting};

/// Bounds of a plugin, or of a tenant; `None` where only those above it hold. What a plugin's own table says can only
/// narrow what its tenant's says, and that what the host's `[limits]` say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quota {
    /// Linear memory of one instance.
    pub memory: Option<ByteSize>,
    /// Running time of one call for a connection.
    pub call_time: Option<DurationSetting>,
    /// Running time of a worker with one message.
    pub worker_time: Option<DurationSetting>,
    /// Timers that may be pending on one connection.
    pub timers: Option<usize>,
    /// Lines a second that a version may log for long.
    pub log_lines_per_second: Option<u64>,
    /// What one consumer, or a module, may leave to its successor.
    pub snapshot: Option<ByteSize>,
    /// Groups that one connection may be in; a tenant's alone, since layers are its.
    pub groups: Option<usize>,
    /// Connections at a time.
    pub connections: Option<usize>,
    /// Connections at a time of one client address.
    pub connections_per_address: Option<usize>,
    /// Handshakes a second.
    pub handshakes_per_second: Option<u64>,
    /// Running instances.
    pub instances: Option<usize>,
    /// Running time of guests a second.
    pub cpu: Option<DurationSetting>,
    /// Messages of clients a second.
    pub frames_in: Option<u64>,
    /// Their bytes a second.
    pub bytes_in: Option<ByteSize>,
    /// Frames to clients a second.
    pub frames_out: Option<u64>,
    /// Their bytes a second.
    pub bytes_out: Option<ByteSize>,
    /// What all that was left to successors may take of the host's memory at a time.
    pub total_snapshots: Option<ByteSize>,
    /// Linear memory of all instances, what each may have for nothing aside.
    pub total_memory: Option<ByteSize>,
    /// Requests that are open at a time.
    pub http_requests: Option<usize>,
    /// What all buckets of keys and values may count for; a tenant's alone, since they are its.
    pub keyvalue: Option<ByteSize>,
}

impl Quota {
    /// The same, and what another says where this one says nothing.
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
            keyvalue: self.keyvalue.or(other.keyvalue),
        }
    }

    /// What of it may change while a plugin is served; the rest is in its instances.
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

    /// What of it is in the instances of a plugin, and in its layers.
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

    /// Checks a table against the host's own limits.
    pub(super) fn check(
        raw: Option<Spanned<Self>>,
        limits: &Limits,
        key: &str,
        location: &Locator<'_>,
    ) -> Result<Self, ConfigError> {
        let Some(raw) = raw else { return Ok(Self::default()) };
        let quota = *raw.get_ref();
        let wrong = |name: &str, problem: String| {
            let place = location.find_key(raw.span(), name);
            Err(location.invalid(place, &format!("{key}.{name}"), problem))
        };
        for (name, is_nothing) in quota.zero_fields() {
            if is_nothing {
                return wrong(name, "must be more than zero".to_owned());
            }
        }
        let more = |limit: &dyn std::fmt::Display, own: &dyn std::fmt::Display| {
            format!("{own} is more than the host's own limit of {limit}")
        };
        match quota {
            Self { memory: Some(own), .. } if own > limits.memory => {
                wrong("memory", more(&limits.memory, &own))
            }
            Self { call_time: Some(own), .. } if own > limits.call_time => {
                wrong("call_time", more(&limits.call_time, &own))
            }
            Self { worker_time: Some(own), .. } if own > limits.worker_time => {
                wrong("worker_time", more(&limits.worker_time, &own))
            }
            _ => Ok(quota),
        }
    }

    /// Each key, and whether it allows nothing at all.
    fn zero_fields(&self) -> [(&'static str, bool); 20] {
        let size = |size: Option<ByteSize>| size.is_some_and(|size| size.bytes() == 0);
        let span = |span: Option<DurationSetting>| {
            span.is_some_and(|span| span < DurationSetting::from_millis(1))
        };
        [
            ("memory", size(self.memory)),
            ("call_time", span(self.call_time)),
            ("worker_time", span(self.worker_time)),
            // No timers, groups or words may be meant.
            ("timers", false),
            ("log_lines_per_second", false),
            ("groups", false),
            ("snapshot", size(self.snapshot)),
            ("connections", self.connections == Some(0)),
            ("connections_per_address", self.connections_per_address == Some(0)),
            ("handshakes_per_second", self.handshakes_per_second == Some(0)),
            ("instances", self.instances == Some(0)),
            ("cpu", span(self.cpu)),
            ("frames_in", self.frames_in == Some(0)),
            ("bytes_in", size(self.bytes_in)),
            ("frames_out", self.frames_out == Some(0)),
            ("bytes_out", size(self.bytes_out)),
            ("total_snapshots", size(self.total_snapshots)),
            ("total_memory", size(self.total_memory)),
            ("http_requests", self.http_requests == Some(0)),
            ("keyvalue", size(self.keyvalue)),
        ]
    }
}
