//! `[limits]`: bounds of the host, and defaults of its plugins.

use serde::Deserialize;
use sysinfo::System;

use super::quota::Quota;
use narrowboat_core::units::{ByteSize, DurationSetting};

/// Every bound the operator may move. Nothing in the host is unbounded.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Sockets at a time; one more is answered 503.
    pub max_connections: usize,
    /// From accept to the 101, the consumer's decision included.
    pub handshake_timeout: DurationSetting,
    /// A ping goes out when nothing was heard for so long.
    pub ping_interval: DurationSetting,
    /// The connection ends when nothing, not even a pong, was heard for so long.
    pub idle_timeout: DurationSetting,
    /// How long the peer has to answer a Close frame.
    pub close_timeout: DurationSetting,
    /// How long a stopping host waits for its sockets.
    pub shutdown_grace: DurationSetting,
    /// The largest message of a client, all fragments together; a route may set its own.
    pub max_message: ByteSize,
    /// The largest single frame of a client.
    pub max_frame: ByteSize,
    /// Bytes waiting for one socket before the plugin's `overflow` policy acts.
    pub outbound_queue: ByteSize,
    /// Linear memory of one instance; a plugin may have less.
    pub memory: ByteSize,
    /// Running time of one call for a connection, in whole milliseconds; a plugin may have less.
    pub call_time: DurationSetting,
    /// Running time of a worker with one message, in whole milliseconds; a plugin may have less.
    pub worker_time: DurationSetting,
    /// How long one call may wait, all its waits together, for what plugins keep or request.
    pub wait_time: DurationSetting,
    /// Threads for calls that are not short; 0 means two a core.
    pub guest_threads: usize,
    /// Connections at a time of one client address; 0 means half of `max_connections`, and any number from this machine.
    pub connections_per_address: usize,
    /// Sockets of one address whose handshakes are not over; 0 means an eighth of `max_connections`, and any number from
    /// this machine. Those of trusted proxies are not counted.
    pub handshakes_per_address: usize,
    /// Timers that may be pending on one connection; a plugin may have fewer.
    pub timers: usize,
    /// Groups that one connection may be in; a tenant may have fewer.
    pub groups: usize,
    /// Lines a second that a version may log for long, and five times as many at once; a plugin may have fewer.
    pub log_lines_per_second: u64,
    /// What one consumer, or a module, may leave to its successor; a plugin may have less.
    pub snapshot: ByteSize,
    /// What all that was left to successors may take of the host's memory at a time.
    pub total_snapshots: ByteSize,
    /// Linear memory of all instances together, what each may have for nothing aside; 0 means half of the machine's.
    pub total_memory: ByteSize,
    /// Requests of plugins that are open at a time.
    pub http_requests: usize,
    /// The largest component that is looked at.
    pub max_component: ByteSize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            handshake_timeout: DurationSetting::from_secs(10),
            ping_interval: DurationSetting::from_secs(20),
            idle_timeout: DurationSetting::from_secs(60),
            close_timeout: DurationSetting::from_secs(5),
            shutdown_grace: DurationSetting::from_secs(10),
            max_message: ByteSize::mib(1),
            max_frame: ByteSize::mib(1),
            outbound_queue: ByteSize::mib(1),
            memory: ByteSize::mib(64),
            call_time: DurationSetting::from_millis(100),
            worker_time: DurationSetting::from_secs(10),
            wait_time: DurationSetting::from_secs(30),
            guest_threads: 0,
            connections_per_address: 0,
            handshakes_per_address: 0,
            timers: 64,
            groups: 1_000,
            log_lines_per_second: 100,
            snapshot: ByteSize::mib(16),
            total_snapshots: ByteSize::mib(512),
            total_memory: ByteSize::mib(0),
            http_requests: 256,
            max_component: ByteSize::mib(64),
        }
    }
}

/// Timers that may be pending on one connection at most: they are searched one by one.
pub const MAX_TIMERS: usize = 1_000;

/// wasm32 addresses no more.
const MAX_INSTANCE_MEMORY: ByteSize = ByteSize::mib(4096);

/// More of them a process cannot have open.
const MAX_REQUESTS: usize = 100_000;

/// The pool of instances is reserved up front; past this the address space is.
const MAX_CONNECTIONS: usize = 1_000_000;

impl Limits {
    /// Finds the first limit that cannot work: its key and what would be right.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let spans = [
            ("handshake_timeout", self.handshake_timeout),
            ("ping_interval", self.ping_interval),
            ("idle_timeout", self.idle_timeout),
            ("close_timeout", self.close_timeout),
            ("call_time", self.call_time),
            ("worker_time", self.worker_time),
            ("wait_time", self.wait_time),
        ];
        for (key, span) in spans {
            if span < DurationSetting::from_millis(1) {
                return Err((key, "must be at least 1ms".to_owned()));
            }
        }
        let sizes = [
            ("max_message", self.max_message),
            ("max_frame", self.max_frame),
            ("outbound_queue", self.outbound_queue),
            ("memory", self.memory),
            ("snapshot", self.snapshot),
            ("total_snapshots", self.total_snapshots),
            ("max_component", self.max_component),
        ];
        for (key, size) in sizes {
            if size.bytes() == 0 {
                return Err((key, "must be more than 0 bytes".to_owned()));
            }
        }
        if self.timers > MAX_TIMERS {
            return Err(("timers", format!("must be at most {MAX_TIMERS}")));
        }
        if self.memory > MAX_INSTANCE_MEMORY {
            return Err(("memory", format!("must be at most {MAX_INSTANCE_MEMORY}")));
        }
        if !(1..=MAX_REQUESTS).contains(&self.http_requests) {
            return Err(("http_requests", format!("must be 1 to {MAX_REQUESTS}")));
        }
        if self.idle_timeout <= self.ping_interval {
            let problem = format!(
                "{} must be longer than ping_interval ({}), or no ping could be answered in time",
                self.idle_timeout, self.ping_interval
            );
            return Err(("idle_timeout", problem));
        }
        if !(1..=MAX_CONNECTIONS).contains(&self.max_connections) {
            return Err(("max_connections", format!("must be 1 to {MAX_CONNECTIONS}")));
        }
        Ok(())
    }

    /// Connections at a time of one client address: by default no more than half of all, so that nobody takes all.
    pub fn connections_per_address(&self) -> usize {
        value_or_share(self.connections_per_address, self.max_connections / 2)
    }

    /// Sockets of one address whose handshakes are not over.
    pub fn handshakes_per_address(&self) -> usize {
        value_or_share(self.handshakes_per_address, self.max_connections / 8)
    }

    /// Linear memory of all instances: by default half of what there is, or half of what the process may have.
    pub fn memories(&self) -> ByteSize {
        match self.total_memory.bytes() {
            0 => ByteSize::from(available_memory_bytes() / 2),
            _ => self.total_memory,
        }
    }

    /// What all plugins of the host together may use beside what each limit says by itself.
    pub fn host_quota(&self) -> Quota {
        Quota {
            connections_per_address: Some(self.connections_per_address()),
            total_snapshots: Some(self.total_snapshots),
            total_memory: Some(self.memories()),
            http_requests: Some(self.http_requests),
            ..Quota::default()
        }
    }

    /// What a tenant may use that strangers have, unless its own table says otherwise: no more than half of the host
    /// in anything that all have of one store.
    pub fn default_tenant_quota(&self) -> Quota {
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
        Quota {
            connections: Some(value_or_share(0, self.max_connections / 2)),
            instances: Some(value_or_share(0, self.max_connections / 2)),
            handshakes_per_second: Some(500),
            cpu: Some(DurationSetting::from_millis(500 * cores)),
            frames_in: Some(50_000),
            bytes_in: Some(ByteSize::mib(64)),
            frames_out: Some(100_000),
            bytes_out: Some(ByteSize::mib(128)),
            total_snapshots: Some(ByteSize::from(self.total_snapshots.bytes() / 2)),
            total_memory: Some(ByteSize::from(self.memories().bytes() / 2)),
            http_requests: Some(value_or_share(0, self.http_requests / 2)),
            ..Quota::default()
        }
    }

    /// The same, no more of anything than a quota says.
    #[must_use]
    pub fn narrowed_by(&self, quota: &Quota) -> Self {
        let least = |own: usize, other: Option<usize>| other.map_or(own, |other| own.min(other));
        Self {
            memory: quota.memory.map_or(self.memory, |other| self.memory.min(other)),
            call_time: quota.call_time.map_or(self.call_time, |it| self.call_time.min(it)),
            worker_time: quota.worker_time.map_or(self.worker_time, |it| self.worker_time.min(it)),
            timers: least(self.timers, quota.timers),
            groups: least(self.groups, quota.groups),
            log_lines_per_second: quota
                .log_lines_per_second
                .map_or(self.log_lines_per_second, |it| self.log_lines_per_second.min(it)),
            snapshot: quota.snapshot.map_or(self.snapshot, |it| self.snapshot.min(it)),
            ..self.clone()
        }
    }
}

/// What is said, or a part of something larger, of which there is one at least.
fn value_or_share(said: usize, part: usize) -> usize {
    if said == 0 { part.max(1) } else { said }
}

/// Bytes of memory that this process may use, by the machine and by its control group; no bound where neither tells.
fn available_memory_bytes() -> usize {
    let system = System::new().map(|mut system| {
        system.refresh_memory();
        system
    });
    let known = system.map(|system| {
        let group = system.cgroup_limits().map_or(u64::MAX, |group| group.total_memory);
        system.total_memory().min(group)
    });
    known.ok().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(usize::MAX)
}
