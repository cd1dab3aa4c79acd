//! `[limits]`: limits of the host, and defaults of its plugins.

use serde::Deserialize;

use super::available_memory::available_memory_bytes;
use narrowboat_core::units::{ByteSize, DurationSetting};

/// Every limit of the host that the operator may set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Sockets at a time; one more gets 503.
    pub max_connections: usize,
    /// Time from accept to the answer, the consumer's decision included.
    pub handshake_timeout: DurationSetting,
    /// Silence of the client before the host sends a ping.
    pub ping_interval: DurationSetting,
    /// Silence of the client, pongs included, before the host closes the connection.
    pub idle_timeout: DurationSetting,
    /// Time for the client to answer a Close frame.
    pub close_timeout: DurationSetting,
    /// Time for all sockets of a stopping host to close.
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
    /// Running time of a worker for one message, in whole milliseconds; a plugin may have less.
    pub worker_time: DurationSetting,
    /// Running time in which a runtime compiles the source of a plugin, or loads it into an instance.
    pub load_time: DurationSetting,
    /// Processor time of the compilation of one component, on all cores together; a tenant or a plugin may have less.
    pub compile_time: DurationSetting,
    /// Memory of the compilation of one component; a tenant or a plugin may have less.
    pub compile_memory: ByteSize,
    /// Total time that one call may wait for keyvalue and HTTP.
    pub wait_time: DurationSetting,
    /// Threads for calls that are not short; 0: two for each core.
    pub guest_threads: usize,
    /// Connections at a time of one client address; 0: half of `max_connections`, and any number from a loopback
    /// address.
    pub connections_per_address: usize,
    /// Sockets of one client address with an unfinished handshake; 0: an eighth of `max_connections`, and any number
    /// from a loopback address. Sockets of trusted proxies do not count.
    pub handshakes_per_address: usize,
    /// Pending timers of one connection; a plugin may have fewer.
    pub timers: usize,
    /// Groups that one connection may be in; a tenant may have fewer.
    pub groups: usize,
    /// Log lines of one version in a second, in the long run, and five times as many at once; a plugin may have fewer.
    pub log_lines_per_second: u64,
    /// Saved state of one consumer, or of a module, that moves to a new version; a plugin may have less.
    pub snapshot: ByteSize,
    /// All saved states for rollbacks, restarts and connections that hibernate.
    pub total_snapshots: ByteSize,
    /// Linear memory of all instances together, as it counts towards this limit; 0: half of the memory that the process
    /// may use.
    pub total_memory: ByteSize,
    /// HTTP requests of plugins that are open at a time.
    pub http_requests: usize,
    /// The largest component that the host reads.
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
            load_time: DurationSetting::from_secs(5),
            compile_time: DurationSetting::from_secs(120),
            compile_memory: ByteSize::mib(2048),
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

/// The largest value of `timers`: a connection searches its timers one by one.
pub const MAX_TIMERS: usize = 1_000;

/// The largest value of `memory`: wasm32 cannot address more.
const MAX_INSTANCE_MEMORY: ByteSize = ByteSize::mib(4096);

/// The largest value of `http_requests`: a process cannot have more sockets open.
const MAX_REQUESTS: usize = 100_000;

/// The largest value of `max_connections`: the host reserves the instance pool at start, and a larger pool does not fit
/// into the address space.
const MAX_CONNECTIONS: usize = 1_000_000;

impl Limits {
    /// Checks all limits.
    ///
    /// # Errors
    /// With the key of the first limit that cannot work, and the values that it may have.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        self.check_durations()?;
        self.check_sizes()?;
        self.check_counts()
    }

    fn check_durations(&self) -> Result<(), (&'static str, String)> {
        let durations = [
            ("handshake_timeout", self.handshake_timeout),
            ("ping_interval", self.ping_interval),
            ("idle_timeout", self.idle_timeout),
            ("close_timeout", self.close_timeout),
            ("call_time", self.call_time),
            ("worker_time", self.worker_time),
            ("load_time", self.load_time),
            ("compile_time", self.compile_time),
            ("wait_time", self.wait_time),
        ];
        let least = DurationSetting::from_millis(1);
        if let Some((key, _)) = durations.into_iter().find(|(_, duration)| *duration < least) {
            return Err((key, "must be at least 1ms".to_owned()));
        }
        if self.idle_timeout <= self.ping_interval {
            let problem = format!(
                "{} must be longer than ping_interval ({}), or no client could answer a ping in time",
                self.idle_timeout, self.ping_interval
            );
            return Err(("idle_timeout", problem));
        }
        Ok(())
    }

    fn check_sizes(&self) -> Result<(), (&'static str, String)> {
        let sizes = [
            ("max_message", self.max_message),
            ("max_frame", self.max_frame),
            ("outbound_queue", self.outbound_queue),
            ("memory", self.memory),
            ("snapshot", self.snapshot),
            ("compile_memory", self.compile_memory),
            ("total_snapshots", self.total_snapshots),
            ("max_component", self.max_component),
        ];
        if let Some((key, _)) = sizes.into_iter().find(|(_, size)| size.bytes() == 0) {
            return Err((key, "must be more than 0 bytes".to_owned()));
        }
        if self.memory > MAX_INSTANCE_MEMORY {
            return Err(("memory", format!("must be at most {MAX_INSTANCE_MEMORY}")));
        }
        Ok(())
    }

    fn check_counts(&self) -> Result<(), (&'static str, String)> {
        if self.timers > MAX_TIMERS {
            return Err(("timers", format!("must be at most {MAX_TIMERS}")));
        }
        if !(1..=MAX_REQUESTS).contains(&self.http_requests) {
            return Err(("http_requests", format!("must be 1 to {MAX_REQUESTS}")));
        }
        if !(1..=MAX_CONNECTIONS).contains(&self.max_connections) {
            return Err(("max_connections", format!("must be 1 to {MAX_CONNECTIONS}")));
        }
        Ok(())
    }

    /// Returns the number of connections that one client address may have; by default half of `max_connections`, so
    /// that one client cannot take all.
    pub fn connections_per_address(&self) -> usize {
        value_or_share(self.connections_per_address, self.max_connections / 2)
    }

    /// Returns the number of sockets with an unfinished handshake that one client address may have.
    pub fn handshakes_per_address(&self) -> usize {
        value_or_share(self.handshakes_per_address, self.max_connections / 8)
    }

    /// Returns the linear memory of all instances: by default half of the memory that the process may use.
    pub fn memories(&self) -> ByteSize {
        match self.total_memory.bytes() {
            0 => ByteSize::from(available_memory_bytes() / 2),
            _ => self.total_memory,
        }
    }
}

/// Returns a value that is set, or else a share of something larger, which is at least 1.
pub(super) fn value_or_share(value: usize, share: usize) -> usize {
    if value == 0 { share.max(1) } else { value }
}
