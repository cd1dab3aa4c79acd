//! Figures for Prometheus, gathered when they are asked for. `docs/reference/metrics.md` is made of [`FIGURES`].

mod exposition;

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

pub(super) use exposition::Format;

use super::Server;
use super::links::Open;
use crate::background_writer::BackgroundWriter;
use exposition::{Encoder, number};
use narrowboat_channels::LayerStatus;
use narrowboat_core::name::Tenant;
use narrowboat_core::times::{Counted, STEPS};
use narrowboat_deploy::swap::Swap;
use narrowboat_quota::BOUNDS;
use narrowboat_runtime::FaultKind;

/// One figure.
#[derive(Debug)]
pub struct Figure {
    /// Without `narrowboat_`, and for a counter without `_total`.
    pub name: &'static str,
    /// What it grows like.
    pub kind: Kind,
    /// What it is told apart by.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
}

/// What a figure grows like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Up and down.
    Gauge,
    /// Up only, from 0 when the host begins.
    Counter,
    /// Counts by size.
    Histogram,
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Figure {
    Figure { name, kind: Kind::Gauge, labels, help }
}

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Figure {
    Figure { name, kind: Kind::Counter, labels, help }
}

const HOST: &[&str] = &[];
const PLUGIN: &[&str] = &["tenant", "plugin"];
const VERSION: &[&str] = &["tenant", "plugin", "version"];
const LAYER: &[&str] = &["tenant", "layer"];

/// All figures there are.
pub const FIGURES: &[Figure] = &[
    gauge("ready", HOST, "1 if the host takes connections and reaches its layers"),
    gauge("draining", HOST, "1 if the host takes no more connections, by `narrowboat drain`"),
    gauge("uptime_seconds", HOST, "Seconds since the host began to serve"),
    gauge("connections", PLUGIN, "Open connections"),
    gauge("connections_max", HOST, "Connections there may be: limits.max_connections"),
    counter(
        "connections_turned_away",
        HOST,
        "Sockets that found max_connections open, too many handshakes of their address, or the host draining",
    ),
    counter(
        "handshakes_refused",
        &["answer"],
        "Handshakes that opened no socket, by the status that was answered, or timeout, proxy, tls or http where none was",
    ),
    counter(
        "connections_closed",
        &["tenant", "plugin", "by", "code"],
        "Connections that are over, by who ended them, host or client, and with which code of RFC 6455",
    ),
    counter("frames_received", PLUGIN, "Whole messages of clients"),
    counter("bytes_received", PLUGIN, "Bytes of payload of clients"),
    counter("frames_sent", PLUGIN, "Frames handed to sockets"),
    counter("bytes_sent", PLUGIN, "Bytes of payload handed to sockets"),
    counter(
        "frames_refused",
        PLUGIN,
        "Frames that found a connection's queue full, or the connection closing",
    ),
    counter(
        "frames_dropped",
        PLUGIN,
        "Frames that gave way to newer ones, under overflow = \"drop-oldest\"",
    ),
    counter(
        "connections_stalled",
        PLUGIN,
        "Connections closed with 1013, since their clients did not read: under overflow = \"close\", or when the consumer gave up",
    ),
    counter(
        "limits_reached",
        &["tenant", "plugin", "limit"],
        "How often a plugin came to a bound of its own, its tenant's or the host's; `docs/reference/limits.md` has them",
    ),
    gauge("outbound_bytes", PLUGIN, "Bytes that wait for sockets"),
    gauge("instances", VERSION, "Running instances"),
    gauge("guest_memory_bytes", VERSION, "Linear memory of the running instances"),
    counter("guest_events", VERSION, "Handshakes, frames, messages and timers brought to guests"),
    counter(
        "guest_faults",
        &["tenant", "plugin", "version", "kind"],
        "Events that a guest failed at: trap, time, error or contract",
    ),
    counter(
        "guest_client_errors",
        VERSION,
        "Events for which a guest blamed its client, and closed with 1007 or a code of its own; none of them is a fault",
    ),
    counter(
        "guest_unknown_messages",
        VERSION,
        "Messages of the layer of a type that the guest does not know, and has ignored",
    ),
    Figure {
        name: "guest_call_seconds",
        kind: Kind::Histogram,
        labels: VERSION,
        help: "How long calls into guests took, start-up and moves included",
    },
    counter(
        "guest_log_lines_dropped",
        VERSION,
        "Lines of guests that came too fast to be logged, or that their manifests do not ask for",
    ),
    counter("swaps", PLUGIN, "Versions that became live"),
    gauge("version_pending", PLUGIN, "1 if a version waits for an approval"),
    counter("versions_refused", PLUGIN, "Versions that were not taken"),
    counter("rollbacks", PLUGIN, "Versions that were live and failed too often"),
    gauge(
        "pool_instances",
        HOST,
        "Core instances in use of the pool that guests run in; a component counts for about three",
    ),
    gauge("pool_memories", HOST, "Linear memories in use of the pool"),
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
    gauge("layer_connected", LAYER, "1 if all of a layer's backend is reached"),
    gauge("layer_waiting", LAYER, "Operations that wait to leave for a layer's backend"),
    counter("layer_dropped", LAYER, "Deliveries for which a channel had no room"),
    counter(
        "layer_lost",
        LAYER,
        "Messages that a layer's backend refused, or that were under way or waited too long when it was away",
    ),
    counter(
        "layer_foreign",
        &["tenant", "layer", "cause"],
        "What was read from a backend and is no message",
    ),
    counter(
        "layer_expired",
        LAYER,
        "Messages that had expired when they were taken from a backend, by the clocks of their senders",
    ),
    Figure {
        name: "layer_round_trip_seconds",
        kind: Kind::Histogram,
        labels: LAYER,
        help: "How long a batch of operations took to a layer's backend and back",
    },
];

/// The value of a figure for some labels.
enum Value {
    Gauge(f64),
    Counter(u64),
    Histogram(Counted),
}

/// The figures of one moment.
struct Snapshot {
    /// Of each of [`FIGURES`], in their order.
    samples: Vec<Vec<(Vec<String>, Value)>>,
}

/// What the open connections of a plugin come to.
#[derive(Default)]
struct Traffic {
    connections: usize,
    /// Bytes that wait for them.
    waiting: usize,
}

/// All figures as text, or those of one tenant. `streams` are where the host writes to.
pub(super) fn text(
    server: &Server,
    streams: &[BackgroundWriter],
    about: Option<&Tenant>,
    format: Format,
) -> Result<String, fmt::Error> {
    let mut encoder = Encoder::new(format);
    let snapshot = Snapshot::of(server, streams, about);
    for (figure, samples) in FIGURES.iter().zip(&snapshot.samples) {
        encode(&mut encoder, figure, samples)?;
    }
    Ok(encoder.finish())
}

fn encode(encoder: &mut Encoder, figure: &Figure, samples: &[(Vec<String>, Value)]) -> fmt::Result {
    let name = format!("narrowboat_{}", figure.name);
    encoder.family(&name, figure.kind, figure.help)?;
    for (values, value) in samples {
        let labels = figure.labels.iter().copied().zip(values.iter().map(String::as_str));
        match value {
            Value::Gauge(value) => encoder.sample(&name, "", labels, number(*value))?,
            Value::Counter(count) => encoder.sample(&name, "_total", labels, count)?,
            Value::Histogram(counted) => {
                let mut count = 0;
                let bounds = STEPS.iter().map(Duration::as_secs_f64).chain([f64::INFINITY]);
                for (bound, step) in bounds.zip(counted.steps) {
                    count += step;
                    let bound = number(bound);
                    let labels = labels.clone().chain([("le", &*bound)]);
                    encoder.sample(&name, "_bucket", labels, count)?;
                }
                encoder.sample(&name, "_sum", labels.clone(), number(counted.sum.as_secs_f64()))?;
                encoder.sample(&name, "_count", labels, count)?;
            }
        }
    }
    Ok(())
}

/// The open connections, by their plugins' labels.
fn traffic(open: &[Open]) -> HashMap<&str, Traffic> {
    let mut traffic = HashMap::<&str, Traffic>::new();
    for open in open {
        let of_plugin = traffic.entry(&*open.plugin.label).or_default();
        of_plugin.connections += 1;
        of_plugin.waiting += open.link.outbound.buffered();
    }
    traffic
}

impl Snapshot {
    fn of(server: &Server, streams: &[BackgroundWriter], about: Option<&Tenant>) -> Self {
        let mut snapshot = Self { samples: FIGURES.iter().map(|_| Vec::new()).collect() };
        if about.is_none() {
            snapshot.host(server);
            for stream in streams {
                let dropped = Value::Counter(stream.dropped());
                snapshot.note("output_lines_dropped", &[stream.stream()], dropped);
            }
        }
        let open = server.links.open();
        let open = traffic(&open);
        let worlds = server.host.worlds().all();
        let worlds = worlds.iter().filter(|(tenant, _)| about.is_none_or(|about| about == *tenant));
        for (tenant, world) in worlds {
            for (_, swap) in world.swaps() {
                snapshot.plugin(&open, swap);
            }
            if let Some(used) = server.host.keyvalue().used(tenant) {
                snapshot.note("keyvalue_bytes", &[tenant.as_str()], Value::Gauge(used as f64));
            }
            for (name, status) in world.layers() {
                snapshot.layer(tenant, name, status);
            }
        }
        snapshot
    }

    fn layer(&mut self, tenant: &Tenant, name: &str, status: LayerStatus) {
        let mut note = |figure, value| self.note(figure, &[tenant.as_str(), name], value);
        note("layer_connected", Value::Gauge(f64::from(u8::from(status.connected))));
        note("layer_waiting", Value::Gauge(status.waiting as f64));
        note("layer_dropped", Value::Counter(status.dropped));
        note("layer_lost", Value::Counter(status.lost));
        note("layer_expired", Value::Counter(status.expired));
        if let Some(trips) = status.round_trips {
            note("layer_round_trip_seconds", Value::Histogram(trips));
            for (cause, count) in status.foreign.each() {
                let labels = [tenant.as_str(), name, cause.name()];
                self.note("layer_foreign", &labels, Value::Counter(count));
            }
        }
    }

    fn host(&mut self, server: &Server) {
        let yes = |yes| Value::Gauge(f64::from(u8::from(yes)));
        let limits = server.host.limits();
        self.note("ready", &[], yes(server.missing().is_empty()));
        self.note("draining", &[], yes(server.drain.has_begun()));
        self.note("uptime_seconds", &[], Value::Gauge(server.began.elapsed().as_secs_f64()));
        self.note("connections_max", &[], Value::Gauge(limits.max_connections as f64));
        self.note("connections_turned_away", &[], Value::Counter(server.turned_away()));
        for (answer, count) in server.refusals.each() {
            self.note("handshakes_refused", &[answer], Value::Counter(count));
        }
        let pool = server.host.pool();
        self.note("pool_instances", &[], Value::Gauge(pool.instances as f64));
        self.note("pool_memories", &[], Value::Gauge(pool.memories as f64));
    }

    fn plugin(&mut self, open: &HashMap<&str, Traffic>, swap: &Swap) {
        let (tenant, name) = (swap.plugin().tenant.as_str(), &*swap.plugin().name);
        let none = Traffic::default();
        let own = open.get(&*swap.plugin().label).unwrap_or(&none);
        let (traffic, counts) = (swap.roster().traffic(), swap.counts().get());
        let mut note = |figure, value| self.note(figure, &[tenant, name], value);
        note("connections", Value::Gauge(own.connections as f64));
        note("outbound_bytes", Value::Gauge(own.waiting as f64));
        note("frames_received", Value::Counter(traffic.received.frames()));
        note("bytes_received", Value::Counter(traffic.received.bytes()));
        note("frames_sent", Value::Counter(traffic.sent.frames()));
        note("bytes_sent", Value::Counter(traffic.sent.bytes()));
        note("frames_refused", Value::Counter(traffic.refused()));
        note("frames_dropped", Value::Counter(traffic.dropped()));
        note("connections_stalled", Value::Counter(traffic.stalled()));
        note("swaps", Value::Counter(counts.swaps));
        note("version_pending", Value::Gauge(f64::from(u8::from(swap.pending().is_some()))));
        note("versions_refused", Value::Counter(counts.refused));
        note("rollbacks", Value::Counter(counts.taken_back));
        for (by, code, count) in traffic.closures.each() {
            self.note("connections_closed", &[tenant, name, by, code], Value::Counter(count));
        }
        for bound in BOUNDS {
            let reached = Value::Counter(swap.plugin().allowance.reached(bound));
            self.note("limits_reached", &[tenant, name, bound.name()], reached);
        }
        for version in swap.plugin().versions() {
            let digest = version.digest().short();
            let labels = [tenant, name, &*digest];
            let (tally, usage) = (version.tally(), version.usage());
            self.note("instances", &labels, Value::Gauge(usage.instances as f64));
            self.note("guest_memory_bytes", &labels, Value::Gauge(usage.memory as f64));
            self.note("guest_events", &labels, Value::Counter(tally.count().events));
            self.note("guest_client_errors", &labels, Value::Counter(tally.client_errors()));
            self.note("guest_unknown_messages", &labels, Value::Counter(tally.unknown_messages()));
            self.note("guest_log_lines_dropped", &labels, Value::Counter(usage.unsaid));
            self.note("guest_call_seconds", &labels, Value::Histogram(tally.times().now()));
            for kind in FaultKind::ALL {
                let labels = [tenant, name, &*digest, kind.name()];
                self.note("guest_faults", &labels, Value::Counter(tally.faults(kind)));
            }
        }
    }

    fn note(&mut self, name: &str, labels: &[&str], value: Value) {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        if let Some(place) = FIGURES.iter().position(|figure| figure.name == name) {
            self.samples[place].push((labels, value));
        }
    }
}

/// The reference page, as `docs/reference/metrics.md` has it.
pub fn reference() -> String {
    let mut page = String::from(
        "# Figures\n\nWhat `/metrics` on the listener of `[admin]` tells, in OpenMetrics or, to those who do not ask for that, in \
         Prometheus's text format 0.0.4. Made from \
         `host/src/server/metrics.rs` by `narrowboat reference metrics`.\n\n\
         | figure | kind | labels | meaning |\n|---|---|---|---|\n",
    );
    for Figure { name, kind, labels, help } in FIGURES {
        let total = if *kind == Kind::Counter { "_total" } else { "" };
        let kind = format!("{kind:?}").to_lowercase();
        let labels = labels.join(", ");
        page += &format!("| `narrowboat_{name}{total}` | {kind} | {labels} | {help} |\n");
    }
    page
}
