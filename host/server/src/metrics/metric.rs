//! The list of metrics.

/// A metric.
#[derive(Debug)]
pub struct Metric {
    /// The name without `narrowboat_`, and for a counter without `_total`.
    pub name: &'static str,
    /// The type.
    pub kind: MetricType,
    /// The names of the labels.
    pub labels: &'static [&'static str],
    /// The description.
    pub help: &'static str,
}

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricType {
    /// A value that goes up and down.
    Gauge,
    /// A count that only grows, from 0 at the start of the host.
    Counter,
    /// Counts of observations in buckets.
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

/// All metrics.
pub const METRICS: &[Metric] = &[
    gauge("ready", HOST_LABELS, "1 if the host accepts connections and its layers are connected"),
    gauge("draining", HOST_LABELS, "1 if the host drains: it accepts no more connections"),
    gauge(
        "start_time_seconds",
        HOST_LABELS,
        "Unix time at which the host began to serve, in seconds",
    ),
    gauge(
        "connections",
        PLUGIN_LABELS,
        "Open connections, and handshakes whose consumer decides later",
    ),
    gauge(
        "connections_limit",
        HOST_LABELS,
        "The limit of open connections: limits.max_connections",
    ),
    counter(
        "connections_rejected",
        HOST_LABELS,
        "Sockets that were rejected: max_connections are open, their address has too many unfinished handshakes, or the host drains",
    ),
    counter(
        "handshakes_failed",
        &["reason"],
        "Handshakes that did not open a connection, by reason: the status of the response, or timeout, proxy, tls or http if there was none",
    ),
    counter(
        "connections_closed",
        &["tenant", "plugin", "by", "code"],
        "Connections that ended, by the side that ended them (host or client) and by close code (RFC 6455)",
    ),
    counter("frames_received", PLUGIN_LABELS, "Messages received from clients"),
    counter("received_bytes", PLUGIN_LABELS, "Payload bytes received from clients"),
    counter("frames_sent", PLUGIN_LABELS, "Frames written to sockets"),
    counter("sent_bytes", PLUGIN_LABELS, "Payload bytes written to sockets"),
    counter(
        "frames_refused",
        PLUGIN_LABELS,
        "Frames that were refused because the queue of the connection was full or the connection was closing",
    ),
    counter(
        "frames_dropped",
        PLUGIN_LABELS,
        "Frames that were dropped for newer ones, under overflow = \"drop-oldest\"",
    ),
    counter(
        "connections_stalled",
        PLUGIN_LABELS,
        "Connections closed with 1013 because the client did not read: under overflow = \"close\", or after an error of the consumer",
    ),
    counter(
        "limits_reached",
        &["tenant", "plugin", "limit"],
        "Times that a plugin reached a limit of its own, of its tenant or of the host; `docs/reference/limits.md` lists them",
    ),
    gauge("outbound_queue_bytes", PLUGIN_LABELS, "Bytes that wait to be written to sockets"),
    gauge("instances", VERSION_LABELS, "Running instances"),
    gauge("guest_memory_bytes", VERSION_LABELS, "Linear memory of the running instances, in bytes"),
    counter(
        "guest_events",
        VERSION_LABELS,
        "Handshakes, frames, messages and timers delivered to guests",
    ),
    counter(
        "guest_faults",
        &["tenant", "plugin", "version", "kind"],
        "Events that failed in a guest, by kind: trap, timeout, error or contract",
    ),
    counter(
        "guest_client_errors",
        VERSION_LABELS,
        "Events for which a guest blamed the client, and closed with 1007 or a code of its own; they are not faults",
    ),
    counter(
        "guest_unknown_messages",
        VERSION_LABELS,
        "Messages of the channel layer whose type the guest does not know; it ignores them",
    ),
    Metric {
        name: "guest_call_duration_seconds",
        kind: MetricType::Histogram,
        labels: VERSION_LABELS,
        help: "Duration of calls into guests, including start-up and migration; a call may have several events",
    },
    counter(
        "guest_log_lines_dropped",
        VERSION_LABELS,
        "Lines of guests that were not logged: they came too fast, or the manifest does not request the log",
    ),
    gauge(
        "hibernated_connections",
        PLUGIN_LABELS,
        "Connections that are idle and have no instance",
    ),
    counter("hibernation_wakes", PLUGIN_LABELS, "Connections that have ended their hibernation"),
    counter(
        "restarts",
        PLUGIN_LABELS,
        "Instances that went on after a trap, with their last checkpoint",
    ),
    counter(
        "restart_lost_events",
        PLUGIN_LABELS,
        "Events that were lost when an instance was restarted after a trap",
    ),
    gauge("rooms", PLUGIN_LABELS, "Rooms that are awake"),
    counter("room_wakes", PLUGIN_LABELS, "Rooms that woke with a saved state"),
    counter("room_saves", PLUGIN_LABELS, "Saves of the state of a room"),
    counter("room_save_failures", PLUGIN_LABELS, "Saves of the state of a room that failed"),
    counter("room_alarms", PLUGIN_LABELS, "Alarms of rooms that were handled"),
    counter("room_alarm_failures", PLUGIN_LABELS, "Calls for an alarm of a room that failed"),
    counter(
        "room_lost_events",
        PLUGIN_LABELS,
        "Events of rooms whose instance ended before the state after them was saved",
    ),
    counter("deploys", PLUGIN_LABELS, "Versions that became live"),
    gauge("version_pending", PLUGIN_LABELS, "1 if a version waits for approval"),
    counter("deploys_refused", PLUGIN_LABELS, "Versions that were refused"),
    counter(
        "rollbacks",
        PLUGIN_LABELS,
        "Versions that were rolled back because they failed too often",
    ),
    gauge(
        "pool_instances",
        HOST_LABELS,
        "Core instances in use in the instance pool; a component takes about three",
    ),
    gauge("pool_memories", HOST_LABELS, "Linear memories in use in the instance pool"),
    gauge(
        "components",
        HOST_LABELS,
        "Compiled components in memory; plugins with the same bytes share one",
    ),
    counter(
        "output_lines_dropped",
        &["stream"],
        "Lines of the log (stderr) and of the other output (stdout) that were dropped because they were not read",
    ),
    gauge(
        "keyvalue_bytes",
        &["tenant"],
        "Size of the buckets of a tenant; with Redis as of the last change by this host",
    ),
    counter(
        "schedule_runs",
        &["tenant", "plugin", "channel", "result"],
        "Runs of schedules by this host: attempts that succeeded or failed, runs that were abandoned after the last attempt, and runs that were missed",
    ),
    counter(
        "schedule_store_errors",
        &["tenant", "plugin", "channel"],
        "Operations of the key-value store that failed for a schedule; its runs wait meanwhile",
    ),
    gauge(
        "keyvalue_writable",
        HOST_LABELS,
        "1 if the key-value store takes writes, as far as the host knows; 0 if its disk is full or has failed",
    ),
    gauge(
        "layer_connected",
        LAYER_LABELS,
        "1 if the layer is connected to all servers of its backend",
    ),
    gauge(
        "layer_queued_operations",
        LAYER_LABELS,
        "Operations that wait to be sent to the backend",
    ),
    counter(
        "layer_messages_dropped",
        LAYER_LABELS,
        "Deliveries that were dropped because the channel was full",
    ),
    counter(
        "layer_messages_lost",
        LAYER_LABELS,
        "Messages that were lost: the backend refused them, or it was disconnected while they were sent or waited",
    ),
    counter(
        "layer_messages_malformed",
        &["tenant", "layer", "cause"],
        "Data from the backend that is not a valid message, by cause",
    ),
    counter(
        "layer_messages_expired",
        LAYER_LABELS,
        "Messages that had expired when they were read from the backend, by the clock of the sender",
    ),
    Metric {
        name: "layer_round_trip_duration_seconds",
        kind: MetricType::Histogram,
        labels: LAYER_LABELS,
        help: "Round-trip time of a batch of operations to the backend",
    },
];
