//! The limits and the usage of one owner.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use narrowboat_config::{Limits, Quota};
use narrowboat_core::units::ByteSize;
use narrowboat_sync::{GaugeLimit, UNBOUNDED};

use crate::compile_limit_node::CompileLimitNode;
use crate::limit_hit_counters::LimitHitCounters;
use crate::limit_kind::{LIMIT_KINDS, LimitKind};
use crate::limit_usage::LimitUsage;
use crate::nanoseconds::to_nanos;
use crate::per_address_limit::PerAddressLimit;
use crate::quota_resource::QuotaResource;
use crate::rate_limiter::RateLimiter;
use crate::rate_limits::RateLimits;

/// DNS lookups that one plugin or one tenant may have in progress: each occupies a thread.
const MAX_DNS_LOOKUPS: usize = 16;

/// The limits and the usage of one plugin, one tenant or the host.
#[derive(Debug)]
pub struct QuotaNode {
    pub(crate) connections: GaugeLimit,
    pub(crate) per_address: PerAddressLimit,
    /// Handshakes a second.
    pub(crate) handshake_rate: RateLimiter,
    instances: GaugeLimit,
    snapshot_bytes: GaugeLimit,
    memory_bytes: GaugeLimit,
    requests: GaugeLimit,
    dns_lookups: GaugeLimit,
    /// Versions that are compiled and tried.
    loads: GaugeLimit,
    /// Deploys a minute.
    pub(crate) deploy_rate: RateLimiter,
    /// The limits of the compilation of one component. The system counts its usage.
    pub(crate) compile_limits: CompileLimitNode,
    /// The limit of stored bytes. The usage is counted in the store.
    keyvalue_bytes: AtomicUsize,
    /// Nanoseconds a second.
    pub(crate) cpu_rate: RateLimiter,
    /// Whether running time is over its limit, so that short calls have to wait too.
    pub(crate) cpu_exhausted: AtomicBool,
    /// Traffic from clients.
    pub(crate) inbound: RateLimits,
    /// Traffic to clients.
    pub(crate) outbound: RateLimits,
    pub(crate) limit_hits: LimitHitCounters,
}

impl Default for QuotaNode {
    fn default() -> Self {
        Self {
            connections: GaugeLimit::default(),
            per_address: PerAddressLimit::new(UNBOUNDED),
            handshake_rate: RateLimiter::default(),
            instances: GaugeLimit::default(),
            snapshot_bytes: GaugeLimit::default(),
            memory_bytes: GaugeLimit::default(),
            requests: GaugeLimit::default(),
            dns_lookups: GaugeLimit::new(MAX_DNS_LOOKUPS),
            loads: GaugeLimit::default(),
            deploy_rate: RateLimiter::per_minute(),
            compile_limits: CompileLimitNode::default(),
            keyvalue_bytes: AtomicUsize::new(UNBOUNDED),
            cpu_rate: RateLimiter::default(),
            cpu_exhausted: AtomicBool::new(false),
            inbound: RateLimits::default(),
            outbound: RateLimits::default(),
            limit_hits: LimitHitCounters::default(),
        }
    }
}

impl QuotaNode {
    /// Creates a node with the limits of a quota.
    pub fn new(quota: &Quota) -> Self {
        let node = Self::default();
        node.set_limits(quota);
        node
    }

    /// Creates the host's node. Loopback addresses may have any number of connections unless the configuration limits
    /// the connections of an address.
    pub fn for_host(limits: &Limits) -> Self {
        let node = if limits.connections_per_address == 0 {
            Self { per_address: PerAddressLimit::exempting_loopback(UNBOUNDED), ..Self::default() }
        } else {
            Self::default()
        };
        node.set_limits(&limits.host_quota());
        // The resolver has a limit of its own.
        node.dns_lookups.set_limit(UNBOUNDED);
        node
    }

    /// Replaces the limits. Usage above a lowered limit is kept; new reservations are refused until it falls.
    pub fn set_limits(&self, quota: &Quota) {
        let bytes_or_unbounded = |size: Option<ByteSize>| size.map_or(UNBOUNDED, ByteSize::bytes);
        self.connections.set_limit(quota.connections.unwrap_or(UNBOUNDED));
        self.per_address.set_limit(quota.connections_per_address.unwrap_or(UNBOUNDED));
        self.handshake_rate.set_rate(quota.handshakes_per_second);
        self.instances.set_limit(quota.instances.unwrap_or(UNBOUNDED));
        self.snapshot_bytes.set_limit(bytes_or_unbounded(quota.total_snapshots));
        self.memory_bytes.set_limit(bytes_or_unbounded(quota.total_memory));
        self.requests.set_limit(quota.http_requests.unwrap_or(UNBOUNDED));
        self.loads.set_limit(quota.loads.unwrap_or(UNBOUNDED));
        self.deploy_rate.set_rate(quota.deploys_per_minute);
        self.compile_limits.set(quota);
        self.keyvalue_bytes.store(bytes_or_unbounded(quota.keyvalue), Ordering::Relaxed);
        self.cpu_rate.set_rate(quota.cpu.map(|time| to_nanos(time.duration())));
        self.cpu_exhausted.store(false, Ordering::Relaxed);
        let byte_rate = |size: Option<ByteSize>| size.map(|size| size.bytes() as u64);
        self.inbound.set_rates(quota.frames_in, byte_rate(quota.bytes_in));
        self.outbound.set_rates(quota.frames_out, byte_rate(quota.bytes_out));
    }

    /// Returns the limits that are set, and those that were reached.
    pub fn limit_usage(&self) -> impl Iterator<Item = LimitUsage> + use<'_> {
        let limits = LIMIT_KINDS.into_iter().map(|kind| LimitUsage {
            kind,
            used: self.used(kind),
            limit: self.limit(kind),
            hit_count: self.hit_count(kind),
        });
        limits.filter(|usage| usage.limit.is_some() || usage.hit_count > 0)
    }

    /// Returns how often a limit was reached.
    pub fn hit_count(&self, kind: LimitKind) -> u64 {
        self.limit_hits.hit_count(kind)
    }

    /// Returns a limit: a quantity, or a rate a second, for deploys a minute. `None` if it is not set.
    pub fn limit(&self, kind: LimitKind) -> Option<u64> {
        let bounded = |limit: usize| (limit != UNBOUNDED).then_some(limit as u64);
        match kind {
            LimitKind::ConnectionsPerAddress => bounded(self.per_address.limit()),
            LimitKind::Keyvalue => bounded(self.keyvalue_bytes()),
            LimitKind::CompileTime | LimitKind::CompileMemory => self.compile_limits.limit(kind),
            kind => match self.gauge(kind) {
                Some(gauge) => bounded(gauge.limit()),
                None => self.rate_limiter(kind)?.rate(),
            },
        }
    }

    /// Returns the current usage of a resource; `None` for rates and for limits that this node does not measure.
    pub fn used(&self, kind: LimitKind) -> Option<u64> {
        self.gauge(kind).map(|gauge| gauge.used() as u64)
    }

    /// Whether nodes measure usage against this limit. Limits of one instance, one call or one connection are measured
    /// elsewhere.
    pub(crate) const fn measures(&self, kind: LimitKind) -> bool {
        matches!(kind, LimitKind::ConnectionsPerAddress | LimitKind::Keyvalue)
            || self.gauge(kind).is_some()
            || self.rate_limiter(kind).is_some()
    }

    /// Whether usage is over this limit now, as far as the node can tell without a request.
    pub(crate) fn is_limit_reached(&self, kind: LimitKind) -> bool {
        match kind {
            LimitKind::Keyvalue => self.limit(kind).is_some(),
            kind => self.rate_limiter(kind).is_some_and(|rate| rate.wait_time().is_some()),
        }
    }

    /// The gauge of a resource.
    pub(crate) const fn resource_gauge(&self, resource: QuotaResource) -> &GaugeLimit {
        match resource {
            QuotaResource::Instances => &self.instances,
            QuotaResource::SnapshotBytes => &self.snapshot_bytes,
            QuotaResource::MemoryBytes => &self.memory_bytes,
            QuotaResource::Requests => &self.requests,
            QuotaResource::DnsLookups => &self.dns_lookups,
            QuotaResource::Loads => &self.loads,
        }
    }

    /// The limit of stored bytes; [`UNBOUNDED`] is no limit.
    pub(crate) fn keyvalue_bytes(&self) -> usize {
        self.keyvalue_bytes.load(Ordering::Relaxed)
    }

    /// Releases a connection that was admitted from an address.
    pub(crate) fn release_connection(&self, address: IpAddr) {
        self.per_address.release(address);
        self.connections.release(1);
    }

    /// Counts running time. Returns whether it exhausts the limit just now.
    pub(crate) fn record_cpu_time(&self, nanos: u64) -> bool {
        if !self.cpu_rate.is_limited() {
            return false;
        }
        self.cpu_rate.consume(nanos);
        self.cpu_rate.wait_time().is_some() && !self.cpu_exhausted.swap(true, Ordering::Relaxed)
    }

    /// Returns the wait until a call may run. Without a wait, the limit is no longer exhausted.
    pub(crate) fn cpu_wait(&self) -> Option<Duration> {
        let wait = self.cpu_rate.wait_time();
        if wait.is_none() {
            self.cpu_exhausted.store(false, Ordering::Relaxed);
        }
        wait
    }

    const fn gauge(&self, kind: LimitKind) -> Option<&GaugeLimit> {
        match kind {
            LimitKind::Connections => Some(&self.connections),
            LimitKind::Instances => Some(&self.instances),
            LimitKind::TotalSnapshots => Some(&self.snapshot_bytes),
            LimitKind::TotalMemory => Some(&self.memory_bytes),
            LimitKind::Requests => Some(&self.requests),
            LimitKind::Loads => Some(&self.loads),
            _ => None,
        }
    }

    const fn rate_limiter(&self, kind: LimitKind) -> Option<&RateLimiter> {
        match kind {
            LimitKind::Handshakes => Some(&self.handshake_rate),
            LimitKind::Cpu => Some(&self.cpu_rate),
            LimitKind::Deploys => Some(&self.deploy_rate),
            LimitKind::FramesIn => Some(&self.inbound.frames),
            LimitKind::BytesIn => Some(&self.inbound.bytes),
            LimitKind::FramesOut => Some(&self.outbound.frames),
            LimitKind::BytesOut => Some(&self.outbound.bytes),
            _ => None,
        }
    }
}
