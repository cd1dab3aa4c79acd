//! The reference of limits: `docs/reference/limits.md` is made of it, and a test holds it against the keys that are read.

use std::fmt::Display;

use super::limits::Limits;

/// One limit.
#[derive(Debug)]
pub struct LimitRow {
    /// As the tables call it.
    pub key: &'static str,
    /// What it bounds, and in what.
    pub description: &'static str,
    /// What `[limits]` says of it unless told otherwise; `None` if it is not one of its keys.
    pub host_default: Option<String>,
    /// Whether `[tenants.NAME.limits]` may say it.
    pub tenant_may_set: bool,
    /// What a tenant has unless told otherwise; as much as the host has if it is `None`.
    pub tenant: Option<String>,
    /// Whether `[plugins.NAME.limits]` may say it.
    pub plugin_may_set: bool,
    /// What happens at it.
    pub on_reached: &'static str,
    /// The figure that counts that.
    pub metric: &'static str,
}

impl LimitRow {
    /// One that is the host's alone.
    fn host_only(
        key: &'static str,
        description: &'static str,
        default: impl Display,
        on_reached: &'static str,
        metric: &'static str,
    ) -> Self {
        Self {
            key,
            description,
            host_default: Some(default.to_string()),
            tenant_may_set: false,
            tenant: None,
            plugin_may_set: false,
            on_reached,
            metric,
        }
    }

    /// The same, where a tenant and a plugin may have less.
    fn narrowable(self) -> Self {
        Self { tenant_may_set: true, plugin_may_set: true, ..self }
    }

    /// One that plugins have, and tenants, and not the host as a whole.
    fn quota(
        key: &'static str,
        bounds: &'static str,
        tenant: Option<impl Display>,
        beyond: &'static str,
        figure: &'static str,
    ) -> Self {
        Self {
            host_default: None,
            tenant: tenant.map(|tenant| tenant.to_string()),
            ..Self::host_only(key, bounds, "", beyond, figure).narrowable()
        }
    }
}

const LIMITS_REACHED_METRIC: &str = "`limits_reached`";
const CONNECTIONS_CLOSED_METRIC: &str = "`connections_closed`, by code";
const READING_PAUSES: &str = "no further one is read until there is room; the peer's writes wait";
const FRAMES_WAIT: &str =
    "frames wait in their queues, where `overflow` decides, until their connections close";

/// All limits that a configuration may set, in the order of the tables.
pub fn limit_rows() -> Vec<LimitRow> {
    let host = Limits::default();
    let stranger = host.default_tenant_quota();
    let text = |value: Option<&dyn Display>| value.map(ToString::to_string);
    let number = |value: &Option<u64>| text(value.as_ref().map(|it| it as &dyn Display));
    let mut rows = vec![
        LimitRow::host_only(
            "max_connections",
            "sockets at a time",
            host.max_connections,
            "503; unheard if 64 are being told so",
            "`connections_rejected`",
        ),
        LimitRow::host_only(
            "handshakes_per_address",
            "sockets of one address whose handshakes are not over; 0 is an eighth of max_connections, and any number from this machine",
            host.handshakes_per_address,
            "the socket closes unheard",
            "`connections_rejected`",
        ),
        LimitRow::host_only(
            "handshake_timeout",
            "from accept to the answer",
            host.handshake_timeout,
            "the socket closes",
            "`handshakes_failed{reason=\"timeout\"}`",
        ),
        LimitRow::host_only("ping_interval", "silence before a ping", host.ping_interval, "a ping", "–"),
        LimitRow::host_only("idle_timeout", "silence in all", host.idle_timeout, "1008", CONNECTIONS_CLOSED_METRIC),
        LimitRow::host_only(
            "close_timeout",
            "the peer's time for a Close",
            host.close_timeout,
            "the socket closes",
            "–",
        ),
        LimitRow::host_only(
            "shutdown_grace",
            "a stopping host's time",
            host.shutdown_grace,
            "sockets close",
            "–",
        ),
        LimitRow::host_only(
            "max_message",
            "bytes of a message of a client",
            host.max_message,
            "1009",
            CONNECTIONS_CLOSED_METRIC,
        ),
        LimitRow::host_only(
            "max_frame",
            "bytes of a single frame of a client",
            host.max_frame,
            "1009",
            CONNECTIONS_CLOSED_METRIC,
        ),
        LimitRow::host_only(
            "outbound_queue",
            "bytes that wait for one socket",
            host.outbound_queue,
            "as `overflow` says: 1013, `backpressure`, or the oldest go",
            "`connections_stalled`, `frames_refused`, `frames_dropped`",
        ),
        LimitRow::host_only(
            "guest_threads",
            "calls at a time that are not short; 0 is two a core; half of them a plugin or tenant, and a tenant no more than half of the cores",
            host.guest_threads,
            "calls wait",
            "`guest_call_duration_seconds`",
        ),
        LimitRow::host_only(
            "wait_time",
            "how long a call waits, all in all, for keys, values and requests",
            host.wait_time,
            "what it waits for fails",
            LIMITS_REACHED_METRIC,
        ),
        LimitRow::host_only(
            "max_component",
            "bytes of a component",
            host.max_component,
            "it is not taken",
            "`deploys_refused`",
        ),
        LimitRow::host_only(
            "memory",
            "bytes of linear memory of an instance",
            host.memory,
            "`memory.grow` fails",
            LIMITS_REACHED_METRIC,
        )
        .narrowable(),
        LimitRow::host_only(
            "call_time",
            "running time of a call for a connection",
            host.call_time,
            "1011; the instance ends",
            "`guest_faults`",
        )
        .narrowable(),
        LimitRow::host_only(
            "worker_time",
            "running time of a worker with a message",
            host.worker_time,
            "the message is lost; the instance ends",
            "`guest_faults`",
        )
        .narrowable(),
        LimitRow::host_only(
            "timers",
            "pending timers of a connection",
            host.timers,
            "`set-timer` answers `other`",
            LIMITS_REACHED_METRIC,
        )
        .narrowable(),
        LimitRow::host_only(
            "log_lines_per_second",
            "lines a second that a version logs for long, five times as many at once",
            host.log_lines_per_second,
            "further lines are dropped, which is logged once",
            "`guest_log_lines_dropped`",
        )
        .narrowable(),
        LimitRow::host_only(
            "snapshot",
            "bytes that one consumer, or a module, leaves to its successor",
            host.snapshot,
            "it does not move: `on_failed_move`",
            LIMITS_REACHED_METRIC,
        )
        .narrowable(),
        LimitRow {
            plugin_may_set: true,
            tenant_may_set: true,
            tenant: text(stranger.total_snapshots.as_ref().map(|it| it as &dyn Display)),
            ..LimitRow::host_only(
                "total_snapshots",
                "bytes of all that was left to successors and is not taken back yet",
                host.total_snapshots,
                "it does not move: `on_failed_move`",
                LIMITS_REACHED_METRIC,
            )
        },
        LimitRow {
            tenant: Some("half of the host's".to_owned()),
            ..LimitRow::host_only(
                "total_memory",
                "bytes of linear memory of all instances, of the plugins at the top of the file without the first 2 MiB of each; 0 is half of the memory of the machine, or of the process's control group",
                host.total_memory,
                "`memory.grow` fails; 503 where an instance cannot begin",
                LIMITS_REACHED_METRIC,
            )
            .narrowable()
        },
        LimitRow {
            tenant: text(stranger.http_requests.as_ref().map(|it| it as &dyn Display)),
            ..LimitRow::host_only(
                "http_requests",
                "requests over `wasi:http` that are open at a time",
                host.http_requests,
                "`connection-limit-reached`",
                LIMITS_REACHED_METRIC,
            )
            .narrowable()
        },
        LimitRow {
            plugin_may_set: true,
            tenant_may_set: true,
            ..LimitRow::host_only(
                "connections_per_address",
                "connections at a time of one client address, or network of IPv6; 0 is half of max_connections, and any number from this machine",
                host.connections_per_address,
                "429",
                LIMITS_REACHED_METRIC,
            )
        },
        LimitRow {
            tenant_may_set: true,
            ..LimitRow::host_only(
                "groups",
                "groups that a connection is in",
                host.groups,
                "it is not added",
                LIMITS_REACHED_METRIC,
            )
        },
    ];
    rows.extend([
        LimitRow::quota(
            "connections",
            "connections at a time",
            Some("half of max_connections".to_owned()),
            "503",
            LIMITS_REACHED_METRIC,
        ),
        LimitRow::quota(
            "handshakes_per_second",
            "handshakes a second",
            number(&stranger.handshakes_per_second),
            "503",
            LIMITS_REACHED_METRIC,
        ),
        LimitRow::quota(
            "instances",
            "running instances, each of several memories, or of more than four modules, counting for several; those of workers and of moves count and are not refused",
            Some("half of max_connections".to_owned()),
            "503",
            LIMITS_REACHED_METRIC,
        ),
        LimitRow::quota(
            "cpu",
            "running time of guests a second",
            Some("half of what all cores have".to_owned()),
            "calls wait, and with them the reading of sockets",
            LIMITS_REACHED_METRIC,
        ),
        LimitRow::quota(
            "frames_in",
            "messages of clients a second",
            number(&stranger.frames_in),
            READING_PAUSES,
            LIMITS_REACHED_METRIC,
        ),
        LimitRow::quota(
            "bytes_in",
            "bytes of clients a second",
            text(stranger.bytes_in.as_ref().map(|it| it as &dyn Display)),
            READING_PAUSES,
            LIMITS_REACHED_METRIC,
        ),
        LimitRow::quota(
            "frames_out",
            "frames to clients a second",
            number(&stranger.frames_out),
            FRAMES_WAIT,
            LIMITS_REACHED_METRIC,
        ),
        LimitRow::quota(
            "bytes_out",
            "bytes to clients a second",
            text(stranger.bytes_out.as_ref().map(|it| it as &dyn Display)),
            FRAMES_WAIT,
            LIMITS_REACHED_METRIC,
        ),
        LimitRow {
            plugin_may_set: false,
            ..LimitRow::quota(
                "keyvalue",
                "bytes that all buckets of `wasi:keyvalue` count for, 128 an entry included",
                Some("`quota` of `[keyvalue]`".to_owned()),
                "nothing more is kept",
                LIMITS_REACHED_METRIC,
            )
        },
    ]);
    rows
}

/// What no configuration moves.
const FIXED_LIMITS: &[(&str, &str, &str)] = &[
    (
        "1 MiB each",
        "lines that wait for the readers of standard error and standard output",
        "further lines are dropped; `output_lines_dropped`",
    ),
    (
        "2 lines a second, 10 at once",
        "panics of a version, whether or not its manifest requests `log`",
        "the log says that lines are dropped; `guest_faults{kind=\"trap\"}` counts all",
    ),
    ("16 KiB", "a handshake's head", "400 or 431; `handshakes_failed{reason=\"http\"}`"),
    (
        "100,000 effects, 1,000,000 deliveries to members of groups, and four times the largest frame or 16 MiB of payload",
        "what one call asks for",
        "`backpressure`, `other`, or a trap where no answer is possible; `limits_reached{limit=\"effects\"}`",
    ),
    ("the largest frame and 4 MiB", "bytes that one host call copies out of a guest", "a trap"),
    (
        "20,000 elements, 16 tables, 16 memories, 16 core instances",
        "an instance",
        "`table.grow` fails, `limits_reached{limit=\"tables\"}`; a component that begins with more is not taken",
    ),
    (
        "10,000 imports, 64 modules, 200,000 functions",
        "a component, before any of it is compiled",
        "it is not taken",
    ),
    (
        "as many as connections and workers may be, and 256",
        "instances of all plugins, which have a place in the pool each; no such bound where the address space has no room for a pool, see docs/explanation/limits-and-fairness.md",
        "503 or 500",
    ),
    ("64 levels", "how deep a message is", "`invalid-message`"),
    (
        "1,000,000 memberships",
        "a tenant in one layer",
        "it is not added; `limits_reached{limit=\"memberships\"}`",
    ),
    ("64 MiB unread", "a tenant in one layer", "`other`; `layer_messages_dropped`"),
    (
        "20,000 operations, 32 MiB and 1,000,000 memberships",
        "what waits in one layer for its Redis",
        "`unavailable`, `layer_messages_lost`; a membership that ended lasts until it expires, which is logged",
    ),
];

/// The reference page, as `docs/reference/limits.md` has it.
pub fn limits_reference() -> String {
    let mut page = String::from(
        "# Limits\n\nMade from `host/config/src/reference.rs` by `narrowboat reference limits`. The host's stand in \
         `[limits]`, a tenant's in `[tenants.NAME.limits]`, a plugin's in `[plugins.NAME.limits]` or \
         `[tenants.NAME.plugins.PLUGIN.limits]`. Of several that hold the narrowest does; those of the host and of a \
         tenant are for all their plugins together where they are of something that is shared. Metrics begin with `narrowboat_`; `limits_reached` has the label `limit`.\n\n\
         | key | bounds | host | a tenant | a plugin | beyond it | metric |\n|---|---|---|---|---|---|---|\n",
    );
    for row in limit_rows() {
        let host = row.host_default.unwrap_or_else(|| "–".to_owned());
        let tenant = match (row.tenant_may_set, row.tenant) {
            (false, _) => "–".to_owned(),
            (true, None) => "may have less".to_owned(),
            (true, Some(tenant)) => tenant,
        };
        let plugin = if row.plugin_may_set { "may have less" } else { "–" };
        let (key, bounds, beyond, figure) = (row.key, row.description, row.on_reached, row.metric);
        page += &format!(
            "| `{key}` | {bounds} | {host} | {tenant} | {plugin} | {beyond} | {figure} |\n"
        );
    }
    page += "\nWhat no configuration moves:\n\n| bound | of what | beyond it |\n|---|---|---|\n";
    for (bound, of, beyond) in FIXED_LIMITS {
        page += &format!("| {bound} | {of} | {beyond} |\n");
    }
    page
}
