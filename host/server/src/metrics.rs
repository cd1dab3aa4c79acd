//! Figures for Prometheus, gathered when they are asked for. `docs/reference/metrics.md` is made of [`METRICS`].

mod exposition;

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

pub(super) use exposition::ExpositionFormat;

use super::Server;
use super::connection_registry::OpenConnection;
use crate::background_writer::BackgroundWriter;
use exposition::{MetricsEncoder, format_number};
use narrowboat_channels::LayerStatus;
use narrowboat_core::histogram::{BUCKET_BOUNDS, HistogramSnapshot};
use narrowboat_core::name::Tenant;
use narrowboat_deploy::rollout::Rollout;
use narrowboat_quota::LIMIT_KINDS;
use narrowboat_runtime::FaultKind;

/// One figure.
#[derive(Debug)]
pub struct Metric {
    /// Without `narrowboat_`, and for a counter without `_total`.
    pub name: &'static str,
    /// What it grows like.
    pub kind: MetricType,
    /// What it is told apart by.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
}

/// What a figure grows like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricType {
    /// Up and down.
    Gauge,
    /// Up only, from 0 when the host begins.
    Counter,
    /// Counts by size.
    Histogram,
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: MetricType::Gauge, labels, help }
}

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric { name, kind: MetricType::Counter, labels, help }
}

const HOST_LABELS: &[&str] = &[];
const PLUGIN_LABELS: &[&str] = &["tenant", "plugin"];
const VERSION_LABELS: &[&str] = &["tenant", "plugin", "version"];
const LAYER_LABELS: &[&str] = &["tenant", "layer"];

/// All figures there are.
pub const METRICS: &[Metric] = &[
    gauge("ready", HOST_LABELS, "1 if the host takes connections and reaches its layers"),
    gauge(
        "draining",
        HOST_LABELS,
        "1 if the host takes no more connections, by `narrowboat drain`",
    ),
    gauge(
        "start_time_seconds",
        HOST_LABELS,
        "Unix time at which the host began to serve, in seconds",
    ),
    gauge("connections", PLUGIN_LABELS, "Open connections"),
    gauge("connections_limit", HOST_LABELS, "Connections there may be: limits.max_connections"),
    counter(
        "connections_rejected",
        HOST_LABELS,
        "Sockets that found max_connections open, too many handshakes of their address, or the host draining",
    ),
    counter(
        "handshakes_failed",
        &["reason"],
        "Handshakes that opened no socket, by the reason: the status of the response, or timeout, proxy, tls or http where there was none",
    ),
    counter(
        "connections_closed",
        &["tenant", "plugin", "by", "code"],
        "Connections that are over, by who ended them, host or client, and with which code of RFC 6455",
    ),
    counter("frames_received", PLUGIN_LABELS, "Whole messages of clients"),
    counter("received_bytes", PLUGIN_LABELS, "Bytes of payload of clients"),
    counter("frames_sent", PLUGIN_LABELS, "Frames handed to sockets"),
    counter("sent_bytes", PLUGIN_LABELS, "Bytes of payload handed to sockets"),
    counter(
        "frames_refused",
        PLUGIN_LABELS,
        "Frames that found a connection's queue full, or the connection closing",
    ),
    counter(
        "frames_dropped",
        PLUGIN_LABELS,
        "Frames that gave way to newer ones, under overflow = \"drop-oldest\"",
    ),
    counter(
        "connections_stalled",
        PLUGIN_LABELS,
        "Connections closed with 1013, since their clients did not read: under overflow = \"close\", or when the consumer gave up",
    ),
    counter(
        "limits_reached",
        &["tenant", "plugin", "limit"],
        "How often a plugin came to a bound of its own, its tenant's or the host's; `docs/reference/limits.md` has them",
    ),
    gauge("outbound_queue_bytes", PLUGIN_LABELS, "Bytes that wait for sockets"),
    gauge("instances", VERSION_LABELS, "Running instances"),
    gauge("guest_memory_bytes", VERSION_LABELS, "Linear memory of the running instances"),
    counter(
        "guest_events",
        VERSION_LABELS,
        "Handshakes, frames, messages and timers brought to guests",
    ),
    counter(
        "guest_faults",
        &["tenant", "plugin", "version", "kind"],
        "Events that a guest failed at: trap, timeout, error or contract",
    ),
    counter(
        "guest_client_errors",
        VERSION_LABELS,
        "Events for which a guest blamed its client, and closed with 1007 or a code of its own; none of them is a fault",
    ),
    counter(
        "guest_unknown_messages",
        VERSION_LABELS,
        "Messages of the layer of a type that the guest does not know, and has ignored",
    ),
    Metric {
        name: "guest_call_duration_seconds",
        kind: MetricType::Histogram,
        labels: VERSION_LABELS,
        help: "How long calls into guests took, start-up and moves included",
    },
    counter(
        "guest_log_lines_dropped",
        VERSION_LABELS,
        "Lines of guests that came too fast to be logged, or that their manifests do not request",
    ),
    counter("deploys", PLUGIN_LABELS, "Versions that became live"),
    gauge("version_pending", PLUGIN_LABELS, "1 if a version waits for an approval"),
    counter("deploys_refused", PLUGIN_LABELS, "Versions that were not taken"),
    counter("rollbacks", PLUGIN_LABELS, "Versions that were live and failed too often"),
    gauge(
        "pool_instances",
        HOST_LABELS,
        "Core instances in use of the pool that guests run in; a component counts for about three",
    ),
    gauge("pool_memories", HOST_LABELS, "Linear memories in use of the pool"),
    counter(
        "output_lines_dropped",
        &["stream"],
        "Lines of the log (stderr), and of what the host prints (stdout), that were dropped because nobody took them",
    ),
    gauge(
        "keyvalue_bytes",
        &["tenant"],
        "Bytes that a tenant's buckets count for; in a Redis those of this host's last change",
    ),
    gauge("layer_connected", LAYER_LABELS, "1 if all of a layer's backend is reached"),
    gauge(
        "layer_queued_operations",
        LAYER_LABELS,
        "Operations that wait to leave for a layer's backend",
    ),
    counter("layer_messages_dropped", LAYER_LABELS, "Deliveries for which a channel had no room"),
    counter(
        "layer_messages_lost",
        LAYER_LABELS,
        "Messages that a layer's backend refused, or that were under way or waited too long when it was away",
    ),
    counter(
        "layer_messages_malformed",
        &["tenant", "layer", "cause"],
        "What was read from a backend and is no message",
    ),
    counter(
        "layer_messages_expired",
        LAYER_LABELS,
        "Messages that had expired when they were taken from a backend, by the clocks of their senders",
    ),
    Metric {
        name: "layer_round_trip_duration_seconds",
        kind: MetricType::Histogram,
        labels: LAYER_LABELS,
        help: "How long a batch of operations took to a layer's backend and back",
    },
];

/// The value of a figure for some labels.
enum SampleValue {
    Gauge(f64),
    Counter(u64),
    Histogram(HistogramSnapshot),
}

/// The figures of one moment.
struct MetricsSnapshot {
    /// Of each of [`METRICS`], in their order.
    samples: Vec<Vec<(Vec<String>, SampleValue)>>,
}

/// What the open connections of a plugin come to.
#[derive(Default)]
struct OpenConnectionStats {
    connection_count: usize,
    /// Bytes that wait for them.
    outbound_bytes: usize,
}

/// All figures as text, or those of one tenant. `streams` are where the host writes to.
pub(super) fn render(
    server: &Server,
    streams: &[BackgroundWriter],
    about: Option<&Tenant>,
    format: ExpositionFormat,
) -> Result<String, fmt::Error> {
    let mut encoder = MetricsEncoder::new(format);
    let snapshot = MetricsSnapshot::collect(server, streams, about);
    for (figure, samples) in METRICS.iter().zip(&snapshot.samples) {
        encode_metric(&mut encoder, figure, samples)?;
    }
    Ok(encoder.finish())
}

fn encode_metric(
    encoder: &mut MetricsEncoder,
    figure: &Metric,
    samples: &[(Vec<String>, SampleValue)],
) -> fmt::Result {
    let name = format!("narrowboat_{}", figure.name);
    encoder.write_family(&name, figure.kind, figure.help)?;
    for (values, value) in samples {
        let labels = figure.labels.iter().copied().zip(values.iter().map(String::as_str));
        match value {
            SampleValue::Gauge(value) => {
                encoder.write_sample(&name, "", labels, format_number(*value))?
            }
            SampleValue::Counter(count) => encoder.write_sample(&name, "_total", labels, count)?,
            SampleValue::Histogram(counted) => {
                let mut count = 0;
                let bounds = BUCKET_BOUNDS.iter().map(Duration::as_secs_f64).chain([f64::INFINITY]);
                for (bound, step) in bounds.zip(counted.bucket_counts) {
                    count += step;
                    let bound = format_number(bound);
                    let labels = labels.clone().chain([("le", &*bound)]);
                    encoder.write_sample(&name, "_bucket", labels, count)?;
                }
                encoder.write_sample(
                    &name,
                    "_sum",
                    labels.clone(),
                    format_number(counted.sum.as_secs_f64()),
                )?;
                encoder.write_sample(&name, "_count", labels, count)?;
            }
        }
    }
    Ok(())
}

/// The open connections, by their plugins' labels.
fn stats_by_plugin(open: &[OpenConnection]) -> HashMap<&str, OpenConnectionStats> {
    let mut traffic = HashMap::<&str, OpenConnectionStats>::new();
    for open in open {
        let of_plugin = traffic.entry(&*open.plugin.label).or_default();
        of_plugin.connection_count += 1;
        of_plugin.outbound_bytes += open.handle.outbound.buffered_bytes();
    }
    traffic
}

impl MetricsSnapshot {
    fn collect(server: &Server, streams: &[BackgroundWriter], about: Option<&Tenant>) -> Self {
        let mut snapshot = Self { samples: METRICS.iter().map(|_| Vec::new()).collect() };
        if about.is_none() {
            snapshot.record_host(server);
            for stream in streams {
                let dropped = SampleValue::Counter(stream.dropped_lines());
                snapshot.record("output_lines_dropped", &[stream.stream_name()], dropped);
            }
        }
        let open = server.connections.connections();
        let open = stats_by_plugin(&open);
        let worlds = server.host.tenants().all();
        let worlds = worlds.iter().filter(|(tenant, _)| about.is_none_or(|about| about == *tenant));
        for (tenant, world) in worlds {
            for (_, swap) in world.rollouts() {
                snapshot.record_plugin(&open, swap);
            }
            if let Some(used) = server.host.keyvalue().used_bytes(tenant) {
                snapshot.record(
                    "keyvalue_bytes",
                    &[tenant.as_str()],
                    SampleValue::Gauge(used as f64),
                );
            }
            for (name, status) in world.layer_statuses() {
                snapshot.record_layer(tenant, name, status);
            }
        }
        snapshot
    }

    fn record_layer(&mut self, tenant: &Tenant, name: &str, status: LayerStatus) {
        let mut note = |figure, value| self.record(figure, &[tenant.as_str(), name], value);
        note("layer_connected", SampleValue::Gauge(f64::from(u8::from(status.is_connected))));
        note("layer_queued_operations", SampleValue::Gauge(status.queued_count as f64));
        note("layer_messages_dropped", SampleValue::Counter(status.dropped_count));
        note("layer_messages_lost", SampleValue::Counter(status.lost_count));
        note("layer_messages_expired", SampleValue::Counter(status.expired_count));
        if let Some(trips) = status.round_trip_times {
            note("layer_round_trip_duration_seconds", SampleValue::Histogram(trips));
            for (cause, count) in status.decode_errors.counts_by_cause() {
                let labels = [tenant.as_str(), name, cause.label()];
                self.record("layer_messages_malformed", &labels, SampleValue::Counter(count));
            }
        }
    }

    fn record_host(&mut self, server: &Server) {
        let yes = |yes| SampleValue::Gauge(f64::from(u8::from(yes)));
        let limits = server.host.limits();
        self.record("ready", &[], yes(server.unready_reasons().is_empty()));
        self.record("draining", &[], yes(server.drain.is_draining()));
        self.record("start_time_seconds", &[], SampleValue::Gauge(server.start_time_seconds()));
        self.record("connections_limit", &[], SampleValue::Gauge(limits.max_connections as f64));
        self.record(
            "connections_rejected",
            &[],
            SampleValue::Counter(server.rejected_connections()),
        );
        for (answer, count) in server.handshake_failures.counts() {
            self.record("handshakes_failed", &[answer], SampleValue::Counter(count));
        }
        let pool = server.host.pool_usage();
        self.record("pool_instances", &[], SampleValue::Gauge(pool.instances as f64));
        self.record("pool_memories", &[], SampleValue::Gauge(pool.memory_count as f64));
    }

    fn record_plugin(&mut self, open: &HashMap<&str, OpenConnectionStats>, swap: &Rollout) {
        let (tenant, name) = (swap.plugin().tenant.as_str(), &*swap.plugin().name);
        let none = OpenConnectionStats::default();
        let own = open.get(&*swap.plugin().label).unwrap_or(&none);
        let (traffic, counts) = (swap.registry().traffic(), swap.counters().snapshot());
        let mut note = |figure, value| self.record(figure, &[tenant, name], value);
        note("connections", SampleValue::Gauge(own.connection_count as f64));
        note("outbound_queue_bytes", SampleValue::Gauge(own.outbound_bytes as f64));
        note("frames_received", SampleValue::Counter(traffic.received.frames()));
        note("received_bytes", SampleValue::Counter(traffic.received.bytes()));
        note("frames_sent", SampleValue::Counter(traffic.sent.frames()));
        note("sent_bytes", SampleValue::Counter(traffic.sent.bytes()));
        note("frames_refused", SampleValue::Counter(traffic.frames_refused()));
        note("frames_dropped", SampleValue::Counter(traffic.frames_dropped()));
        note("connections_stalled", SampleValue::Counter(traffic.connections_stalled()));
        note("deploys", SampleValue::Counter(counts.published));
        note(
            "version_pending",
            SampleValue::Gauge(f64::from(u8::from(swap.pending_version().is_some()))),
        );
        note("deploys_refused", SampleValue::Counter(counts.refused));
        note("rollbacks", SampleValue::Counter(counts.rolled_back));
        for (by, code, count) in traffic.close_counters.counts() {
            self.record(
                "connections_closed",
                &[tenant, name, by, code],
                SampleValue::Counter(count),
            );
        }
        for bound in LIMIT_KINDS {
            let reached = SampleValue::Counter(swap.plugin().quota.limit_hit_count(bound));
            self.record("limits_reached", &[tenant, name, bound.name()], reached);
        }
        for version in swap.plugin().versions() {
            let digest = version.digest().short_hex();
            let labels = [tenant, name, &*digest];
            let (tally, usage) = (version.stats(), version.usage());
            self.record("instances", &labels, SampleValue::Gauge(usage.instance_count as f64));
            self.record(
                "guest_memory_bytes",
                &labels,
                SampleValue::Gauge(usage.memory_bytes as f64),
            );
            self.record("guest_events", &labels, SampleValue::Counter(tally.event_counts().events));
            self.record(
                "guest_client_errors",
                &labels,
                SampleValue::Counter(tally.client_errors()),
            );
            self.record(
                "guest_unknown_messages",
                &labels,
                SampleValue::Counter(tally.unknown_messages()),
            );
            self.record(
                "guest_log_lines_dropped",
                &labels,
                SampleValue::Counter(usage.dropped_log_lines),
            );
            self.record(
                "guest_call_duration_seconds",
                &labels,
                SampleValue::Histogram(tally.call_durations().now()),
            );
            for kind in FaultKind::ALL {
                let labels = [tenant, name, &*digest, kind.name()];
                self.record("guest_faults", &labels, SampleValue::Counter(tally.fault_count(kind)));
            }
        }
    }

    fn record(&mut self, name: &str, labels: &[&str], value: SampleValue) {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        if let Some(place) = METRICS.iter().position(|figure| figure.name == name) {
            self.samples[place].push((labels, value));
        }
    }
}

/// The reference page, as `docs/reference/metrics.md` has it.
pub fn reference() -> String {
    let mut page = String::from(
        "# Metrics\n\nWhat `/metrics` on the listener of `[admin]` tells, in OpenMetrics or, to those who do not ask for that, in \
         Prometheus's text format 0.0.4. Made from \
         `host/server/src/metrics.rs` by `narrowboat reference metrics`.\n\n\
         | metric | type | labels | meaning |\n|---|---|---|---|\n",
    );
    for Metric { name, kind, labels, help } in METRICS {
        let total = if *kind == MetricType::Counter { "_total" } else { "" };
        let kind = format!("{kind:?}").to_lowercase();
        let labels = labels.join(", ");
        page += &format!("| `narrowboat_{name}{total}` | {kind} | {labels} | {help} |\n");
    }
    page
}
