//! The values of all metrics at one moment.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use super::metric::METRICS;
use crate::background_writer::BackgroundWriter;
use crate::connection_registry::OpenConnection;
use crate::server::Server;
use crate::tenants::ServedWorker;
use narrowboat_channels::LayerStatus;
use narrowboat_core::histogram::HistogramSnapshot;
use narrowboat_core::manifest::Isolation;
use narrowboat_core::name::Tenant;
use narrowboat_deploy::rollout::Rollout;
use narrowboat_keyvalue::StoreCondition;
use narrowboat_quota::LIMIT_KINDS;
use narrowboat_runtime::{FaultKind, Plugin, Version};

/// The value of a metric for some label values.
pub(super) enum SampleValue {
    Gauge(f64),
    Counter(u64),
    Histogram(HistogramSnapshot),
}

/// Label values, in the order of the metric's labels, and a value.
pub(super) type Sample = (Vec<String>, SampleValue);

/// The values of all metrics at one moment.
pub(super) struct MetricsSnapshot {
    /// The samples of each of [`METRICS`], in their order.
    pub(super) samples: Vec<Vec<Sample>>,
}

/// The places of the metrics in [`METRICS`], by their names.
static METRIC_INDEX: LazyLock<HashMap<&str, usize>> = LazyLock::new(|| {
    METRICS.iter().enumerate().map(|(index, metric)| (metric.name, index)).collect()
});

/// The totals of the open connections of a plugin.
#[derive(Default)]
struct OpenConnectionStats {
    connection_count: usize,
    /// Bytes that wait for the clients.
    outbound_bytes: usize,
}

impl MetricsSnapshot {
    /// Collects the values of all metrics, or only those of `tenant`.
    pub(super) fn collect(
        server: &Server,
        output_writers: &[BackgroundWriter],
        tenant: Option<&Tenant>,
    ) -> Self {
        let mut snapshot = Self { samples: METRICS.iter().map(|_| Vec::new()).collect() };
        if tenant.is_none() {
            snapshot.record_host(server);
            for writer in output_writers {
                snapshot.counter(
                    "output_lines_dropped",
                    &[writer.stream_name()],
                    writer.dropped_lines(),
                );
            }
        }
        let connections = server.connections.connections();
        let stats = stats_by_plugin(&connections);
        let tenants = server.host.tenants().all();
        let is_requested = |name: &Tenant| tenant.is_none_or(|requested| requested == name);
        for (name, runtime) in tenants.iter().filter(|(name, _)| is_requested(name)) {
            for (_, rollout) in runtime.rollouts() {
                snapshot.record_plugin(&stats, rollout);
            }
            if let Some(used) = server.host.keyvalue().used_bytes(name) {
                snapshot.gauge("keyvalue_bytes", &[name.as_str()], used as f64);
            }
            for (layer, status) in runtime.layer_statuses() {
                snapshot.record_layer(name, layer, status);
            }
            for worker in runtime.workers() {
                snapshot.record_schedule(name, worker);
            }
        }
        snapshot
    }

    fn record_host(&mut self, server: &Server) {
        self.gauge("ready", &[], as_gauge(server.unready_reasons().is_empty()));
        self.gauge("draining", &[], as_gauge(server.drain.is_draining()));
        let is_writable = server.host.keyvalue().condition() == StoreCondition::Healthy;
        self.gauge("keyvalue_writable", &[], as_gauge(is_writable));
        self.gauge("start_time_seconds", &[], server.start_time_seconds());
        self.gauge("connections_limit", &[], server.host.limits().max_connections as f64);
        self.counter("connections_rejected", &[], server.rejected_connections());
        for (reason, count) in server.handshake_failures.counts() {
            self.counter("handshakes_failed", &[reason], count);
        }
        let pool = server.host.pool_usage();
        self.gauge("pool_instances", &[], pool.instances as f64);
        self.gauge("pool_memories", &[], pool.memory_count as f64);
        self.gauge("components", &[], server.host.component_count() as f64);
    }

    fn record_layer(&mut self, tenant: &Tenant, layer: &str, status: LayerStatus) {
        let labels = [tenant.as_str(), layer];
        self.gauge("layer_connected", &labels, as_gauge(status.is_connected));
        self.gauge("layer_queued_operations", &labels, status.queued_count as f64);
        self.counter("layer_messages_dropped", &labels, status.dropped_count);
        self.counter("layer_messages_lost", &labels, status.lost_count);
        self.counter("layer_messages_expired", &labels, status.expired_count);
        if let Some(round_trips) = status.round_trip_times {
            self.histogram("layer_round_trip_duration_seconds", &labels, round_trips);
            for (cause, count) in status.decode_errors.counts_by_cause() {
                let labels = [tenant.as_str(), layer, cause.label()];
                self.counter("layer_messages_malformed", &labels, count);
            }
        }
    }

    /// Records the runs of a worker's schedule, if it has one.
    fn record_schedule(&mut self, tenant: &Tenant, worker: &ServedWorker) {
        let config = worker.config();
        if config.cron.is_none() {
            return;
        }
        let counters = &worker.schedule_status().counters;
        let (tenant, plugin, channel) = (tenant.as_str(), &*config.plugin, config.channel.as_str());
        for (result, count) in counters.runs() {
            self.counter("schedule_runs", &[tenant, plugin, channel, result], count);
        }
        let labels = [tenant, plugin, channel];
        self.counter("schedule_store_errors", &labels, counters.store_errors());
    }

    fn record_plugin(&mut self, stats: &HashMap<&str, OpenConnectionStats>, rollout: &Rollout) {
        let plugin = rollout.plugin();
        let (tenant, name) = (plugin.tenant.as_str(), &*plugin.name);
        let labels = [tenant, name];
        let none = OpenConnectionStats::default();
        let open = stats.get(&*plugin.label).unwrap_or(&none);
        self.gauge("connections", &labels, open.connection_count as f64);
        let deploys = rollout.counters().snapshot();
        self.counter("deploys", &labels, deploys.published);
        self.gauge("version_pending", &labels, as_gauge(rollout.pending_version().is_some()));
        self.counter("deploys_refused", &labels, deploys.refused);
        self.counter("rollbacks", &labels, deploys.rolled_back);
        self.record_rooms(labels, rollout);
        self.record_hibernation(labels, rollout);
        self.record_restarts(labels, rollout);
        let versions = plugin.versions();
        let is_used = open.connection_count > 0 || has_counts(plugin, &versions, rollout);
        if is_used {
            self.gauge("outbound_queue_bytes", &labels, open.outbound_bytes as f64);
            self.record_traffic(labels, rollout);
            for kind in LIMIT_KINDS {
                let hits = plugin.quota.limit_hit_count(kind);
                self.counter("limits_reached", &[tenant, name, kind.name()], hits);
            }
        }
        for version in versions {
            self.record_version(labels, &version, is_used);
        }
    }

    /// Records the connections of a plugin that hibernate, or have hibernated.
    fn record_hibernation(&mut self, labels: [&str; 2], rollout: &Rollout) {
        let counters = rollout.registry().hibernation_counters();
        let hibernates = rollout.plugin().live_version().hibernate_after().is_some();
        if hibernates || counters.wakes() > 0 {
            self.gauge("hibernated_connections", &labels, counters.hibernated() as f64);
            self.counter("hibernation_wakes", &labels, counters.wakes());
        }
    }

    /// Records the restarts of a plugin whose consumers survive a trap, or have survived one.
    fn record_restarts(&mut self, labels: [&str; 2], rollout: &Rollout) {
        let counters = rollout.registry().restart_counters();
        if rollout.plugin().live_version().restarts_after_trap() || counters.restarts() > 0 {
            self.counter("restarts", &labels, counters.restarts());
            self.counter("restart_lost_events", &labels, counters.lost_events());
        }
    }

    /// Records the rooms of a plugin that has rooms.
    fn record_rooms(&mut self, labels: [&str; 2], rollout: &Rollout) {
        if rollout.plugin().isolation != Isolation::Room {
            return;
        }
        let registry = rollout.registry();
        let counters = registry.room_counters();
        self.gauge("rooms", &labels, registry.awake_room_count() as f64);
        self.counter("room_wakes", &labels, counters.wakes());
        self.counter("room_saves", &labels, counters.saves());
        self.counter("room_save_failures", &labels, counters.failed_saves());
        self.counter("room_alarms", &labels, counters.alarms());
        self.counter("room_alarm_failures", &labels, counters.failed_alarms());
        self.counter("room_lost_events", &labels, counters.lost_events());
    }

    fn record_traffic(&mut self, labels: [&str; 2], rollout: &Rollout) {
        let traffic = rollout.registry().traffic();
        self.counter("frames_received", &labels, traffic.received.frames());
        self.counter("received_bytes", &labels, traffic.received.bytes());
        self.counter("frames_sent", &labels, traffic.sent.frames());
        self.counter("sent_bytes", &labels, traffic.sent.bytes());
        self.counter("frames_refused", &labels, traffic.frames_refused());
        self.counter("frames_dropped", &labels, traffic.frames_dropped());
        self.counter("connections_stalled", &labels, traffic.connections_stalled());
        let [tenant, plugin] = labels;
        for (by, code, count) in traffic.close_counters.counts() {
            self.counter("connections_closed", &[tenant, plugin, by, code], count);
        }
    }

    /// Records a version; of a plugin that is not used only its gauges.
    fn record_version(&mut self, [tenant, plugin]: [&str; 2], version: &Version, is_used: bool) {
        let digest = version.digest().short_hex();
        let labels = [tenant, plugin, &*digest];
        let (stats, usage) = (version.stats(), version.usage());
        self.gauge("instances", &labels, usage.instance_count as f64);
        self.gauge("guest_memory_bytes", &labels, usage.memory_bytes as f64);
        if !is_used {
            return;
        }
        self.counter("guest_events", &labels, stats.event_counts().events);
        self.counter("guest_client_errors", &labels, stats.client_errors());
        self.counter("guest_unknown_messages", &labels, stats.unknown_messages());
        self.counter("guest_log_lines_dropped", &labels, usage.dropped_log_lines);
        self.histogram("guest_call_duration_seconds", &labels, stats.call_durations().now());
        for kind in FaultKind::ALL {
            let labels = [tenant, plugin, &*digest, kind.name()];
            self.counter("guest_faults", &labels, stats.fault_count(kind));
        }
    }

    fn gauge(&mut self, name: &str, labels: &[&str], value: f64) {
        self.record(name, labels, SampleValue::Gauge(value));
    }

    fn counter(&mut self, name: &str, labels: &[&str], count: u64) {
        self.record(name, labels, SampleValue::Counter(count));
    }

    fn histogram(&mut self, name: &str, labels: &[&str], histogram: HistogramSnapshot) {
        self.record(name, labels, SampleValue::Histogram(histogram));
    }

    fn record(&mut self, name: &str, labels: &[&str], value: SampleValue) {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        if let Some(index) = METRIC_INDEX.get(name) {
            self.samples[*index].push((labels, value));
        }
    }
}

/// Whether anything has been counted for a plugin: a handshake, a message, a fault, a closed connection or a reached limit.
/// Otherwise most of its samples are left out, so that a host with a thousand idle tenants has a small answer. They appear
/// with the first handshake, before they can count the end of its connection.
fn has_counts(plugin: &Plugin, versions: &[Arc<Version>], rollout: &Rollout) -> bool {
    let is_called = |version: &Arc<Version>| {
        let counts = version.stats().event_counts();
        counts.events > 0 || counts.faults > 0
    };
    versions.iter().any(is_called)
        || rollout.registry().traffic().close_counters.counts().any(|(.., count)| count > 0)
        || LIMIT_KINDS.into_iter().any(|kind| plugin.quota.limit_hit_count(kind) > 0)
}

/// 1 for `true`, 0 for `false`.
fn as_gauge(value: bool) -> f64 {
    f64::from(u8::from(value))
}

/// The totals of the open connections, by the labels of their plugins.
fn stats_by_plugin(connections: &[OpenConnection]) -> HashMap<&str, OpenConnectionStats> {
    let mut stats = HashMap::<&str, OpenConnectionStats>::new();
    for connection in connections {
        let plugin = stats.entry(&*connection.plugin.label).or_default();
        plugin.connection_count += 1;
        plugin.outbound_bytes += connection.handle.outbound.buffered_bytes();
    }
    stats
}
