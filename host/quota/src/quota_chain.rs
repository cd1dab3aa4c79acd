//! The three quota nodes that apply to a plugin.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use narrowboat_config::Quota;
use narrowboat_sync::{GaugeLimit, UNBOUNDED};

use crate::compile_limits::CompileLimits;
use crate::limit_kind::{LIMIT_KINDS, LimitKind};
use crate::limit_usage::LimitUsage;
use crate::nanoseconds::to_nanos;
use crate::quota_node::QuotaNode;
use crate::quota_owner::QuotaOwner;
use crate::quota_resource::QuotaResource;
use crate::rate_limits::RateLimits;

/// The limits that apply to a plugin: its own, its tenant's and the host's.
///
/// A use counts at all three nodes, or at none if one of them refuses it.
#[derive(Debug)]
pub struct QuotaChain {
    /// The name of the plugin in log lines.
    plugin_label: Box<str>,
    /// The nodes of the plugin, of its tenant and of the host, as [`QuotaOwner::ALL`]. Gauges are locked in this order.
    pub(crate) nodes: [Arc<QuotaNode>; 3],
    limit_hits: [AtomicU64; LIMIT_KINDS.len()],
}

impl Default for QuotaChain {
    fn default() -> Self {
        Self::new("", Arc::default(), Arc::default())
    }
}

impl QuotaChain {
    /// Creates the chain of a plugin without limits of its own. `label` is the name of the plugin in log lines.
    pub fn new(label: &str, tenant: Arc<QuotaNode>, host: Arc<QuotaNode>) -> Self {
        let nodes = [Arc::default(), tenant, host];
        Self { plugin_label: label.into(), nodes, limit_hits: Default::default() }
    }

    /// Replaces the plugin's own limits.
    pub fn set_plugin_limits(&self, quota: &Quota) {
        self.nodes[0].set_limits(quota);
    }

    /// Returns the plugin's own limits and their usage.
    pub fn plugin_limit_usage(&self) -> impl Iterator<Item = LimitUsage> + use<'_> {
        self.nodes[0].limit_usage()
    }

    /// Counts that the plugin reached a limit.
    pub fn record_limit_hit(&self, kind: LimitKind) {
        match self.nodes.iter().position(|node| node.is_limit_reached(kind)) {
            Some(index) => self.record_limit_hit_at(index, kind),
            // The usage has fallen again since the hit, so the owner is not known any more.
            None if self.nodes[0].measures(kind) => self.count_limit_hit(kind),
            // Limits of one instance, one call or one connection belong to no node: the plugin's counts their hits.
            None => self.record_limit_hit_at(0, kind),
        }
    }

    /// Returns how often the plugin reached a limit.
    pub fn limit_hit_count(&self, kind: LimitKind) -> u64 {
        self.limit_hits[kind as usize].load(Ordering::Relaxed)
    }

    /// Returns the owner of the first limit that has no room for `count` more of a resource now.
    pub fn find_full_owner(&self, resource: QuotaResource, count: usize) -> Option<QuotaOwner> {
        let mut owners = self.nodes.iter().zip(QuotaOwner::ALL);
        let full = owners.find(|(node, _)| !node.resource_gauge(resource).has_room(count));
        full.map(|(_, owner)| owner)
    }

    /// Returns the limit of the bytes that the tenant's keys and values may take, if one is set.
    pub fn keyvalue_bytes_limit(&self) -> Option<usize> {
        let limits = self.nodes.iter().map(|node| node.keyvalue_bytes());
        limits.min().filter(|limit| *limit != UNBOUNDED)
    }

    /// Returns the limits of the compilation of one component: the lowest ones of all nodes.
    pub fn compile_limits(&self) -> CompileLimits {
        let lowest = |kind| self.lowest_compile_limit(kind).map(|(limit, _)| limit);
        CompileLimits {
            time: lowest(LimitKind::CompileTime).map(Duration::from_nanos),
            memory: lowest(LimitKind::CompileMemory),
        }
    }

    /// Counts that the compilation of a component reached a limit. Returns the owner of the limit.
    pub fn record_compile_limit_hit(&self, kind: LimitKind) -> QuotaOwner {
        let index = self.lowest_compile_limit(kind).map_or(0, |(_, index)| index);
        self.record_limit_hit_at(index, kind);
        QuotaOwner::ALL[index]
    }

    /// The lowest limit of a kind, and the index of the narrowest node that has it.
    fn lowest_compile_limit(&self, kind: LimitKind) -> Option<(u64, usize)> {
        let limits = self.nodes.iter().map(|node| node.compile_limits.limit(kind)).enumerate();
        limits.filter_map(|(index, limit)| Some((limit?, index))).min()
    }

    /// Whether the running time of guests is limited.
    pub fn has_cpu_limit(&self) -> bool {
        self.nodes.iter().any(|node| node.cpu_rate.is_limited())
    }

    /// Counts running time of a guest.
    pub fn record_cpu_time(&self, time: Duration) {
        let nanos = to_nanos(time);
        for (index, node) in self.nodes.iter().enumerate() {
            if node.record_cpu_time(nanos) {
                self.record_limit_hit_at(index, LimitKind::Cpu);
            }
        }
    }

    /// Whether guests have used up their running time, so that every further call has to wait for
    /// [`QuotaChain::cpu_wait`].
    pub fn is_cpu_exhausted(&self) -> bool {
        self.nodes.iter().any(|node| node.cpu_exhausted.load(Ordering::Relaxed))
    }

    /// Returns how long a call has to wait before it may run; `None` if it may run now.
    pub fn cpu_wait(&self) -> Option<Duration> {
        self.nodes.iter().map(|node| node.cpu_wait()).max().flatten()
    }

    /// Counts a deploy. It counts at all nodes, or at none if one of them refuses it.
    ///
    /// # Errors
    /// The time until the next deploy, if a limit is reached.
    pub fn try_begin_deploy(&self) -> Result<(), Duration> {
        let waits = self.nodes.iter().map(|node| node.deploy_rate.wait_time_for_unit()).enumerate();
        let longest = waits.filter_map(|(index, wait)| Some((wait?, index))).max();
        if let Some((wait, index)) = longest {
            self.record_limit_hit_at(index, LimitKind::Deploys);
            return Err(wait);
        }
        self.nodes.iter().for_each(|node| node.deploy_rate.consume(1));
        Ok(())
    }

    /// Counts a message from a client.
    pub fn record_received(&self, bytes: usize) {
        self.nodes.iter().for_each(|node| node.inbound.record_frame(bytes));
    }

    /// Returns how long reading from the client has to pause, and the limit that causes it; `None` if it need not.
    pub fn read_wait(&self) -> Option<(Duration, LimitKind)> {
        let limits = self.nodes.iter().map(|node| &node.inbound);
        RateLimits::longest_wait(limits, LimitKind::FramesIn, LimitKind::BytesIn)
    }

    /// Whether the frames to clients are limited.
    pub fn limits_sending(&self) -> bool {
        self.nodes.iter().any(|node| node.outbound.is_limited())
    }

    /// Whether the messages of clients are limited.
    pub fn limits_receiving(&self) -> bool {
        self.nodes.iter().any(|node| node.inbound.is_limited())
    }

    /// Counts a frame to a client.
    pub fn record_sent(&self, bytes: usize) {
        self.nodes.iter().for_each(|node| node.outbound.record_frame(bytes));
    }

    /// Returns how long writing to the client has to pause, and the limit that causes it; `None` if it need not.
    pub fn write_wait(&self) -> Option<(Duration, LimitKind)> {
        let limits = self.nodes.iter().map(|node| &node.outbound);
        RateLimits::longest_wait(limits, LimitKind::FramesOut, LimitKind::BytesOut)
    }

    /// Counts that the plugin reached a limit of one of its nodes, and logs it at intervals.
    pub(crate) fn record_limit_hit_at(&self, index: usize, kind: LimitKind) {
        self.count_limit_hit(kind);
        let node = &self.nodes[index];
        let Some(suppressed) = node.limit_hits.record_hit(kind) else { return };
        let (plugin, limit) = (&*self.plugin_label, kind.name());
        match node.limit(kind) {
            Some(amount) => {
                let (owner, max) = (QuotaOwner::ALL[index].name(), kind.format_amount(amount));
                tracing::warn!(plugin, owner, limit, max, suppressed, "limit reached");
            }
            None => tracing::warn!(plugin, limit, suppressed, "limit reached"),
        }
    }

    /// The gauges of one resource, in the order in which every caller locks them.
    pub(crate) fn gauges(&self, gauge: impl Fn(&QuotaNode) -> &GaugeLimit) -> [&GaugeLimit; 3] {
        self.nodes.each_ref().map(|node| gauge(node))
    }

    fn count_limit_hit(&self, kind: LimitKind) {
        self.limit_hits[kind as usize].fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
