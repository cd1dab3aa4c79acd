//! What a plugin may use, within what its tenant may and the host has, and how often it came to a bound.

mod limit_hit_counters;
mod limit_kind;
mod limit_usage;
mod per_address_limit;
mod rate_limiter;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use narrowboat_sync::{GaugeLimit, UNBOUNDED};

pub use limit_kind::{LIMIT_KINDS, LimitKind};
pub use limit_usage::LimitUsage;
pub use per_address_limit::PerAddressLimit;

use limit_hit_counters::LimitHitCounters;
use narrowboat_config::{Limits, Quota};
use narrowboat_core::units::ByteSize;
use rate_limiter::{RateLimiter, now_nanos};

/// Names that may be looked up at a time for one plugin, and for one tenant: each takes a thread until it is known.
const MAX_DNS_LOOKUPS: usize = 16;

/// What one plugin, one tenant or the host uses, and may.
#[derive(Debug)]
pub struct QuotaNode {
    connections: GaugeLimit,
    per_address: PerAddressLimit,
    connect_rate: RateLimiter,
    instances: GaugeLimit,
    snapshot_bytes: GaugeLimit,
    memory_bytes: GaugeLimit,
    requests: GaugeLimit,
    dns_lookups: GaugeLimit,
    /// Bytes of keys and values; they are counted where they are.
    keyvalue_bytes: AtomicUsize,
    /// In nanoseconds.
    cpu_rate: RateLimiter,
    /// More of it has been used than there is, so that short calls wait as well.
    cpu_exhausted: AtomicBool,
    inbound: RateLimits,
    outbound: RateLimits,
    limit_hits: LimitHitCounters,
}

/// Frames and bytes a second, one way.
#[derive(Debug, Default)]
struct RateLimits {
    frames: RateLimiter,
    bytes: RateLimiter,
    /// Whether there is a bound at all.
    is_limited: AtomicBool,
}

impl Default for QuotaNode {
    fn default() -> Self {
        Self {
            connections: GaugeLimit::default(),
            per_address: PerAddressLimit::new(UNBOUNDED),
            connect_rate: RateLimiter::default(),
            instances: GaugeLimit::default(),
            snapshot_bytes: GaugeLimit::default(),
            memory_bytes: GaugeLimit::default(),
            requests: GaugeLimit::default(),
            dns_lookups: GaugeLimit::new(MAX_DNS_LOOKUPS),
            keyvalue_bytes: AtomicUsize::new(UNBOUNDED),
            cpu_rate: RateLimiter::default(),
            cpu_exhausted: AtomicBool::new(false),
            inbound: RateLimits::default(),
            outbound: RateLimits::default(),
            limit_hits: LimitHitCounters::default(),
        }
    }
}

impl RateLimits {
    fn set_rates(&self, frames: Option<u64>, bytes: Option<u64>) {
        self.frames.set_rate(frames);
        self.bytes.set_rate(bytes);
        self.is_limited.store(frames.is_some() || bytes.is_some(), Ordering::Relaxed);
    }

    fn is_limited(&self) -> bool {
        self.is_limited.load(Ordering::Relaxed)
    }

    fn record_frame(&self, bytes: usize) {
        if self.is_limited() {
            self.frames.consume(1);
            self.bytes.consume(bytes as u64);
        }
    }
}

impl QuotaNode {
    /// With the bounds of a quota.
    pub fn new(quota: &Quota) -> Self {
        let meter = Self::default();
        meter.set_limits(quota);
        meter
    }

    /// The host's own, within which all else is. Unless its configuration says how many connections one address may
    /// have, this machine itself may have any number.
    pub fn for_host(limits: &Limits) -> Self {
        let meter = if limits.connections_per_address == 0 {
            Self { per_address: PerAddressLimit::exempting_loopback(UNBOUNDED), ..Self::default() }
        } else {
            Self::default()
        };
        meter.set_limits(&limits.host_quota());
        // What looks names up has a bound of its own.
        meter.dns_lookups.set_limit(UNBOUNDED);
        meter
    }

    /// Has other bounds from now on. What is above them stays, and nothing more comes.
    pub fn set_limits(&self, quota: &Quota) {
        self.connections.set_limit(quota.connections.unwrap_or(UNBOUNDED));
        self.per_address.set_limit(quota.connections_per_address.unwrap_or(UNBOUNDED));
        self.connect_rate.set_rate(quota.handshakes_per_second);
        self.instances.set_limit(quota.instances.unwrap_or(UNBOUNDED));
        self.snapshot_bytes.set_limit(quota.total_snapshots.map_or(UNBOUNDED, ByteSize::bytes));
        self.memory_bytes.set_limit(quota.total_memory.map_or(UNBOUNDED, ByteSize::bytes));
        self.requests.set_limit(quota.http_requests.unwrap_or(UNBOUNDED));
        let keyvalue = quota.keyvalue.map_or(UNBOUNDED, ByteSize::bytes);
        self.keyvalue_bytes.store(keyvalue, Ordering::Relaxed);
        self.cpu_rate.set_rate(quota.cpu.map(|span| to_nanos(span.duration())));
        self.cpu_exhausted.store(false, Ordering::Relaxed);
        let bytes = |size: Option<ByteSize>| size.map(|size| size.bytes() as u64);
        self.inbound.set_rates(quota.frames_in, bytes(quota.bytes_in));
        self.outbound.set_rates(quota.frames_out, bytes(quota.bytes_out));
    }

    fn release_connection(&self, address: IpAddr) {
        self.per_address.release(address);
        self.connections.release(1);
    }
}

fn to_nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Whose each of an allowance's meters is.
const OWNER_LABELS: [&str; 3] = ["the plugin's own", "its tenant's", "the host's"];

/// What a plugin may use.
#[derive(Debug)]
pub struct QuotaChain {
    /// As the log calls the plugin.
    plugin_label: Box<str>,
    /// Its own, its tenant's and the host's.
    nodes: [Arc<QuotaNode>; 3],
    limit_hits: [AtomicU64; LIMIT_KINDS.len()],
}

impl Default for QuotaChain {
    fn default() -> Self {
        Self::new("", Arc::default(), Arc::default())
    }
}

impl QuotaChain {
    /// All that its tenant may use, until it is told less. `label` is how the log calls the plugin.
    pub fn new(label: &str, tenant: Arc<QuotaNode>, host: Arc<QuotaNode>) -> Self {
        let nodes = [Arc::default(), tenant, host];
        Self { plugin_label: label.into(), nodes, limit_hits: Default::default() }
    }

    /// Has other bounds of its own from now on.
    pub fn set_plugin_limits(&self, quota: &Quota) {
        self.nodes[0].set_limits(quota);
    }

    /// Notes that it came to a bound.
    pub fn record_limit_hit(&self, bound: LimitKind) {
        let makes_wait = |meter: &Arc<QuotaNode>| match bound {
            LimitKind::Keyvalue => meter.limit(bound).is_some(),
            bound => meter.rate_limiter(bound).is_some_and(|bucket| bucket.wait_time().is_some()),
        };
        match self.nodes.iter().position(makes_wait) {
            Some(place) => self.record_limit_hit_at(place, bound),
            None if self.nodes[0].measures(bound) => self.count_limit_hit(bound),
            // Limits of one instance, one call or one connection belong to no meter: the plugin's own counts them.
            None => self.record_limit_hit_at(0, bound),
        }
    }

    /// Notes that it came to a bound of one of its meters, and tells the log once in a while.
    fn record_limit_hit_at(&self, place: usize, bound: LimitKind) {
        self.count_limit_hit(bound);
        let meter = &self.nodes[place];
        if meter.limit_hits.record_hit(bound, now_nanos()) {
            let (plugin, name) = (&*self.plugin_label, bound.name());
            let which = match meter.limit(bound) {
                Some(limit) => {
                    format!(
                        "{} limit is reached: {name}, {}",
                        OWNER_LABELS[place],
                        bound.format_amount(limit)
                    )
                }
                None => format!("a limit is reached: {name}"),
            };
            tracing::warn!(plugin, "{which}; this is told once a minute at most");
        }
    }

    fn count_limit_hit(&self, bound: LimitKind) {
        self.limit_hits[bound as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The bounds of its own, and how they fare.
    pub fn plugin_limit_usage(&self) -> impl Iterator<Item = LimitUsage> + use<'_> {
        self.nodes[0].limit_usage()
    }

    /// How often it came to a bound.
    pub fn limit_hit_count(&self, bound: LimitKind) -> u64 {
        self.limit_hits[bound as usize].load(Ordering::Relaxed)
    }

    /// Admits a connection from an address.
    ///
    /// # Errors
    /// The bound it came to.
    pub fn try_admit_connection(
        self: &Arc<Self>,
        address: IpAddr,
    ) -> Result<ConnectionPermit, LimitKind> {
        // Until they are given back, nobody else takes anything of these meters that is looked at here.
        let mut connections = GaugeLimit::lock_all(self.gauges(|meter| &meter.connections));
        let refused = self.nodes.iter().enumerate().find_map(|(place, meter)| {
            let bound = if meter.connect_rate.wait_time().is_some() {
                LimitKind::Connects
            } else if !connections.has_room(place, 1) {
                LimitKind::Connections
            } else if !meter.per_address.has_room(address) {
                LimitKind::ConnectionsPerAddress
            } else {
                return None;
            };
            Some((place, bound))
        });
        if let Some((place, bound)) = refused {
            drop(connections);
            self.record_limit_hit_at(place, bound);
            return Err(bound);
        }
        connections.acquire(1);
        for meter in &self.nodes {
            meter.per_address.acquire_unchecked(address);
            meter.connect_rate.consume(1);
        }
        Ok(ConnectionPermit { quota: Arc::clone(self), address })
    }

    /// The levels of something, in the order in which everybody takes of them: the narrowest first.
    fn gauges(&self, level: impl Fn(&QuotaNode) -> &GaugeLimit) -> [&GaugeLimit; 3] {
        self.nodes.each_ref().map(|meter| level(meter))
    }

    /// Takes so much of something that there is only so much of.
    ///
    /// # Errors
    /// The bound of it, where there is less left.
    pub fn try_reserve(
        self: &Arc<Self>,
        room: QuotaResource,
        count: usize,
    ) -> Result<Reservation, LimitKind> {
        let mut taken = self.empty_reservation(room);
        taken.try_grow(count)?;
        Ok(taken)
    }

    /// Takes so much of something, whether or not there is so much left.
    pub fn reserve_unchecked(self: &Arc<Self>, room: QuotaResource, count: usize) -> Reservation {
        self.gauges(|meter| room.gauge(meter)).iter().for_each(|level| level.add_unchecked(count));
        Reservation { quota: Arc::clone(self), resource: room, count }
    }

    /// Nothing yet of something that there is only so much of.
    pub fn empty_reservation(self: &Arc<Self>, room: QuotaResource) -> Reservation {
        Reservation { quota: Arc::clone(self), resource: room, count: 0 }
    }

    /// Bytes that the tenant's keys and values may count for, if it was told.
    pub fn keyvalue_bytes_limit(&self) -> Option<usize> {
        let told = self.nodes.iter().map(|meter| meter.keyvalue_bytes.load(Ordering::Relaxed));
        told.min().filter(|most| *most != UNBOUNDED)
    }

    /// Whether there is a bound of the time that guests run.
    pub fn has_cpu_limit(&self) -> bool {
        self.nodes.iter().any(|meter| meter.cpu_rate.is_limited())
    }

    /// Counts time that a guest has run.
    pub fn record_cpu_time(&self, time: Duration) {
        let time = to_nanos(time);
        for (place, meter) in self.nodes.iter().enumerate() {
            if !meter.cpu_rate.is_limited() {
                continue;
            }
            meter.cpu_rate.consume(time);
            if meter.cpu_rate.wait_time().is_some()
                && !meter.cpu_exhausted.swap(true, Ordering::Relaxed)
            {
                self.record_limit_hit_at(place, LimitKind::Cpu);
            }
        }
    }

    /// Whether guests have run for so long that all further calls have to wait: see [`Allowance::rest`].
    pub fn is_cpu_exhausted(&self) -> bool {
        self.nodes.iter().any(|meter| meter.cpu_exhausted.load(Ordering::Relaxed))
    }

    /// How long a call has to wait before it may run; `None` if it need not.
    pub fn cpu_wait(&self) -> Option<Duration> {
        let rests = self.nodes.iter().map(|meter| {
            let rest = meter.cpu_rate.wait_time();
            if rest.is_none() {
                meter.cpu_exhausted.store(false, Ordering::Relaxed);
            }
            rest
        });
        rests.max().flatten()
    }

    /// Counts a message of a client.
    pub fn record_received(&self, bytes: usize) {
        self.nodes.iter().for_each(|meter| meter.inbound.record_frame(bytes));
    }

    /// How long no further message of a client may be read, and which bound that is; `None` if it may.
    pub fn read_wait(&self) -> Option<(Duration, LimitKind)> {
        let rates = self.nodes.iter().map(|meter| &meter.inbound);
        longest_wait(rates, LimitKind::FramesIn, LimitKind::BytesIn)
    }

    /// Counts a frame to a client.
    pub fn record_sent(&self, bytes: usize) {
        self.nodes.iter().for_each(|meter| meter.outbound.record_frame(bytes));
    }

    /// How long no further frame may be written, and which bound that is; `None` if it may.
    pub fn write_wait(&self) -> Option<(Duration, LimitKind)> {
        let rates = self.nodes.iter().map(|meter| &meter.outbound);
        longest_wait(rates, LimitKind::FramesOut, LimitKind::BytesOut)
    }
}

/// Whose bound it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaOwner {
    /// The plugin's own.
    Plugin,
    /// Its tenant's.
    Tenant,
    /// The host's.
    Host,
}

impl QuotaChain {
    /// Whose bound leaves no room now for so much more of something: the first that a request for it comes to.
    pub fn find_full_owner(&self, room: QuotaResource, count: usize) -> Option<QuotaOwner> {
        let mut owners =
            self.nodes.iter().zip([QuotaOwner::Plugin, QuotaOwner::Tenant, QuotaOwner::Host]);
        let full = owners.find(|(meter, _)| !room.gauge(meter).has_room(count));
        full.map(|(_, owner)| owner)
    }
}

fn longest_wait<'a>(
    rates: impl Iterator<Item = &'a RateLimits>,
    frames: LimitKind,
    bytes: LimitKind,
) -> Option<(Duration, LimitKind)> {
    let waits = rates.filter(|rates| rates.is_limited()).flat_map(|rates| {
        let frames = rates.frames.wait_time().map(|wait| (wait, frames));
        frames.into_iter().chain(rates.bytes.wait_time().map(|wait| (wait, bytes)))
    });
    waits.max_by_key(|(wait, _)| *wait)
}

/// A connection that was admitted, counted until it is dropped.
#[derive(Debug)]
pub struct ConnectionPermit {
    quota: Arc<QuotaChain>,
    address: IpAddr,
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.quota.nodes.iter().for_each(|meter| meter.release_connection(self.address));
    }
}

/// What there is only so much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaResource {
    /// Instances, each as many as it takes the room of.
    Instances,
    /// Bytes of what guests leave to their successors.
    SnapshotBytes,
    /// Bytes of linear memory.
    MemoryBytes,
    /// Requests that are open.
    Requests,
    /// Names that are looked up.
    DnsLookups,
}

impl QuotaResource {
    fn gauge(self, meter: &QuotaNode) -> &GaugeLimit {
        match self {
            Self::Instances => &meter.instances,
            Self::SnapshotBytes => &meter.snapshot_bytes,
            Self::MemoryBytes => &meter.memory_bytes,
            Self::Requests => &meter.requests,
            Self::DnsLookups => &meter.dns_lookups,
        }
    }

    const fn limit_kind(self) -> LimitKind {
        match self {
            Self::Instances => LimitKind::Instances,
            Self::SnapshotBytes => LimitKind::Snapshots,
            Self::MemoryBytes => LimitKind::Memories,
            // Only requests have names looked up.
            Self::Requests | Self::DnsLookups => LimitKind::Requests,
        }
    }
}

/// Room that is taken until this is dropped.
#[derive(Debug)]
pub struct Reservation {
    quota: Arc<QuotaChain>,
    resource: QuotaResource,
    count: usize,
}

impl Reservation {
    /// Takes some more.
    ///
    /// # Errors
    /// As [`Allowance::take`]; what there was is still taken.
    pub fn try_grow(&mut self, count: usize) -> Result<(), LimitKind> {
        // Nothing is there even where a bound has been lowered below what is taken.
        if count == 0 {
            return Ok(());
        }
        let Self { quota: allowance, resource: room, .. } = self;
        if let Err(index) =
            GaugeLimit::try_acquire_all(allowance.gauges(|meter| room.gauge(meter)), count)
        {
            allowance.record_limit_hit_at(index, room.limit_kind());
            return Err(room.limit_kind());
        }
        self.count += count;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.quota.nodes.iter().for_each(|meter| self.resource.gauge(meter).release(self.count));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use narrowboat_core::units::DurationSetting;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn allowance(own: Quota, tenant: Quota) -> Arc<QuotaChain> {
        let allowance = QuotaChain::new("", Arc::new(QuotaNode::new(&tenant)), Arc::default());
        allowance.set_plugin_limits(&own);
        Arc::new(allowance)
    }

    #[test]
    fn the_narrower_of_two_bounds_holds_and_what_is_refused_takes_nothing() {
        let one = Quota { connections: Some(1), ..Quota::default() };
        let two = Quota { connections: Some(2), ..Quota::default() };
        for (own, tenant) in [(one, two), (two, one)] {
            let allowance = allowance(own, tenant);
            let first = allowance.try_admit_connection(ADDRESS).unwrap();
            for _ in 0..3 {
                assert_eq!(
                    allowance.try_admit_connection(ADDRESS).unwrap_err(),
                    LimitKind::Connections
                );
            }
            assert_eq!(allowance.limit_hit_count(LimitKind::Connections), 3);
            drop(first);
            assert!(allowance.try_admit_connection(ADDRESS).is_ok());
        }
    }

    #[test]
    fn plugins_of_a_tenant_share_what_it_may() {
        let tenant = Arc::new(QuotaNode::new(&Quota { connections: Some(1), ..Quota::default() }));
        let plugin = || Arc::new(QuotaChain::new("", Arc::clone(&tenant), Arc::default()));
        let (one, other) = (plugin(), plugin());
        let _held = one.try_admit_connection(ADDRESS).unwrap();
        assert_eq!(other.try_admit_connection(ADDRESS).unwrap_err(), LimitKind::Connections);
        assert_eq!(
            (
                one.limit_hit_count(LimitKind::Connections),
                other.limit_hit_count(LimitKind::Connections)
            ),
            (0, 1)
        );
        let limit = LimitUsage {
            kind: LimitKind::Connections,
            used: Some(1),
            limit: Some(1),
            hit_count: 1,
        };
        assert_eq!(tenant.limit_usage().collect::<Vec<_>>(), [limit]);
        assert_eq!(other.plugin_limit_usage().count(), 0);
    }

    #[test]
    fn who_has_run_for_too_long_waits_and_is_told_so_once() {
        let cpu = Quota { cpu: Some(DurationSetting::from_millis(100)), ..Quota::default() };
        let allowance = allowance(cpu, Quota::default());
        assert!(!allowance.is_cpu_exhausted() && allowance.cpu_wait().is_none());
        for _ in 0..300 {
            allowance.record_cpu_time(Duration::from_millis(1));
        }
        assert!(allowance.is_cpu_exhausted());
        let rest = allowance.cpu_wait().unwrap();
        assert!(
            (Duration::from_millis(1_900)..=Duration::from_secs(2)).contains(&rest),
            "{rest:?}"
        );
        assert_eq!(allowance.limit_hit_count(LimitKind::Cpu), 1);
        allowance.set_plugin_limits(&Quota::default());
        assert!(allowance.cpu_wait().is_none() && !allowance.is_cpu_exhausted());
    }

    #[test]
    fn frames_and_bytes_wait_for_whichever_is_longer() {
        let rates =
            Quota { frames_in: Some(10), bytes_in: Some(ByteSize::mib(1)), ..Quota::default() };
        let allowance = allowance(rates, Quota::default());
        (0..10).for_each(|_| allowance.record_received(1));
        assert_eq!(allowance.read_wait(), None);
        allowance.record_received(4 << 20);
        assert_eq!(allowance.read_wait().unwrap().1, LimitKind::BytesIn);
        assert_eq!(allowance.write_wait(), None);
    }

    #[test]
    fn what_is_taken_is_given_back() {
        let room = Quota { total_snapshots: Some(ByteSize::mib(1)), ..Quota::default() };
        let allowance = allowance(room, Quota::default());
        let taken = allowance.try_reserve(QuotaResource::SnapshotBytes, 1 << 20).unwrap();
        assert_eq!(
            allowance.try_reserve(QuotaResource::SnapshotBytes, 1).unwrap_err(),
            LimitKind::Snapshots
        );
        drop(taken);
        assert!(allowance.try_reserve(QuotaResource::SnapshotBytes, 1).is_ok());
    }

    #[test]
    fn what_is_refused_takes_nothing_of_anybodys() {
        let (wide, narrow) = (ByteSize::mib(2), ByteSize::mib(1));
        let quota = |most| Quota { total_memory: Some(most), ..Quota::default() };
        let allowance = allowance(quota(wide), quota(narrow));
        let mut taken = allowance.try_reserve(QuotaResource::MemoryBytes, 1 << 20).unwrap();
        assert_eq!(allowance.find_full_owner(QuotaResource::MemoryBytes, 0), None);
        for _ in 0..3 {
            assert_eq!(taken.try_grow(1), Err(LimitKind::Memories));
            assert_eq!(
                allowance.find_full_owner(QuotaResource::MemoryBytes, 1),
                Some(QuotaOwner::Tenant)
            );
        }
        assert_eq!(allowance.limit_hit_count(LimitKind::Memories), 3);
        drop(taken);
        assert!(allowance.try_reserve(QuotaResource::MemoryBytes, 1 << 20).is_ok());
    }

    #[test]
    fn what_a_tenant_refuses_is_not_counted_as_a_handshake_of_the_plugin() {
        let own = Quota { handshakes_per_second: Some(2), ..Quota::default() };
        let tenant = Quota { connections: Some(1), ..Quota::default() };
        let allowance = allowance(own, tenant);
        let first = allowance.try_admit_connection(ADDRESS).unwrap();
        for _ in 0..100 {
            assert_eq!(
                allowance.try_admit_connection(ADDRESS).unwrap_err(),
                LimitKind::Connections
            );
        }
        drop(first);
        assert!(
            allowance.try_admit_connection(ADDRESS).is_ok(),
            "the refused ones have used up its handshakes"
        );
    }

    #[test]
    fn what_is_refused_at_a_wider_meter_is_not_counted_at_a_narrower_one() {
        let one = Quota { connections_per_address: Some(1), ..Quota::default() };
        let allowance = allowance(Quota { connections: Some(1), ..Quota::default() }, one);
        let first = allowance.try_admit_connection(ADDRESS).unwrap();
        assert_eq!(allowance.try_admit_connection(ADDRESS).unwrap_err(), LimitKind::Connections);
        drop(first);
        let other = "192.0.2.1".parse().unwrap();
        let second = allowance.try_admit_connection(other).unwrap();
        drop(second);
        assert!(allowance.try_admit_connection(ADDRESS).is_ok());
    }
}
