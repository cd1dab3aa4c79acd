//! The quotas of the host and of its tenants that follow from `[limits]`.

use super::limits::{Limits, value_or_share};
use super::quota::Quota;
use narrowboat_core::units::{ByteSize, DurationSetting};

impl Limits {
    /// Returns the quota of all plugins of the host together. Limits of a single instance or connection are not part of
    /// it.
    pub fn host_quota(&self) -> Quota {
        Quota {
            connections_per_address: Some(self.connections_per_address()),
            total_snapshots: Some(self.total_snapshots),
            total_memory: Some(self.memories()),
            http_requests: Some(self.http_requests),
            compile_time: Some(self.compile_time),
            compile_memory: Some(self.compile_memory),
            ..Quota::default()
        }
    }

    /// Returns the quota of a tenant whose table does not set one: at most half of every resource that tenants share.
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
            loads: Some(1),
            deploys_per_minute: Some(30),
            compile_time: Some(self.compile_time),
            compile_memory: Some(self.compile_memory),
            ..Quota::default()
        }
    }

    /// Returns these limits, each lowered to the value that `quota` sets.
    #[must_use]
    pub fn narrowed_by(&self, quota: &Quota) -> Self {
        Self {
            memory: narrow(self.memory, quota.memory),
            call_time: narrow(self.call_time, quota.call_time),
            worker_time: narrow(self.worker_time, quota.worker_time),
            timers: narrow(self.timers, quota.timers),
            groups: narrow(self.groups, quota.groups),
            log_lines_per_second: narrow(self.log_lines_per_second, quota.log_lines_per_second),
            snapshot: narrow(self.snapshot, quota.snapshot),
            ..self.clone()
        }
    }
}

/// Returns the lower one of a limit and of a limit that may be set.
fn narrow<T: Ord>(limit: T, other: Option<T>) -> T {
    match other {
        Some(other) => limit.min(other),
        None => limit,
    }
}
