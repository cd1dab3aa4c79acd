//! The reference of limits: `docs/reference/limits.md` is made of it, and a test holds it against the keys that are read.

use std::fmt::Display;

use super::limits::Limits;

/// One limit.
#[derive(Debug)]
pub struct LimitRow {
    /// As the tables call it.
    pub key: &'static str,
    /// What it bounds, and in what.
    pub bounds: &'static str,
    /// What `[limits]` says of it unless told otherwise; `None` if it is not one of its keys.
    pub host: Option<String>,
    /// Whether `[tenants.NAME.limits]` may say it.
    pub of_tenant: bool,
    /// What a tenant has unless told otherwise; as much as the host has if it is `None`.
    pub tenant: Option<String>,
    /// Whether `[plugins.NAME.limits]` may say it.
    pub of_plugin: bool,
    /// What happens at it.
    pub beyond: &'static str,
    /// The figure that counts that.
    pub figure: &'static str,
}

impl LimitRow {
    /// One that is the host's alone.
    fn host(
        key: &'static str,
        bounds: &'static str,
        default: impl Display,
        beyond: &'static str,
        figure: &'static str,
    ) -> Self {
        Self {
            key,
            bounds,
            host: Some(default.to_string()),
            of_tenant: false,
            tenant: None,
            of_plugin: false,
            beyond,
            figure,
        }
    }

    /// The same, where a tenant and a plugin may have less.
    fn narrowed(self) -> Self {
        Self { of_tenant: true, of_plugin: true, ..self }
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
            host: None,
            tenant: tenant.map(|tenant| tenant.to_string()),
            ..Self::host(key, bounds, "", beyond, figure).narrowed()
        }
    }
}

const REACHED: &str = "`limits_reached`";
const CLOSED: &str = "`connections_closed`, by code";
const WAITS: &str = "no further one is read until there is room; the peer's writes wait";
const HELD: &str =
    "frames wait in their queues, where `overflow` decides, until their connections close";

/// All limits that a configuration may set, in the order of the tables.
pub fn limit_rows() -> Vec<LimitRow> {
    let host = Limits::default();
    let stranger = host.of_stranger();
    let text = |value: Option<&dyn Display>| value.map(ToString::to_string);
    let number = |value: &Option<u64>| text(value.as_ref().map(|it| it as &dyn Display));
    let mut rows = vec![
        LimitRow::host(
            "max_connections",
            "sockets at a time",
            host.max_connections,
            "503; unheard if 64 are being told so",
            "`connections_turned_away`",
        ),
        LimitRow::host(
            "handshakes_per_address",
            "sockets of one address whose handshakes are not over; 0 is an eighth of max_connections, and any number from this machine",
            host.handshakes_per_address,
            "the socket closes unheard",
            "`connections_turned_away`",
        ),
        LimitRow::host(
            "handshake_timeout",
            "from accept to the answer",
            host.handshake_timeout,
            "the socket closes",
            "`handshakes_refused{answer=\"timeout\"}`",
        ),
        LimitRow::host("keepalive", "silence before a ping", host.keepalive, "a ping", "–"),
        LimitRow::host("idle_timeout", "silence in all", host.idle_timeout, "1008", CLOSED),
        LimitRow::host(
            "close_timeout",
            "the peer's time for a Close",
            host.close_timeout,
            "the socket closes",
            "–",
        ),
        LimitRow::host(
            "shutdown_grace",
            "a stopping host's time",
            host.shutdown_grace,
            "sockets close",
            "–",
        ),
        LimitRow::host(
            "max_message",
            "bytes of a message of a client",
            host.max_message,
            "1009",
            CLOSED,
        ),
        LimitRow::host(
            "max_frame",
            "bytes of a single frame of a client",
            host.max_frame,
            "1009",
            CLOSED,
        ),
        LimitRow::host(
            "outbound_queue",
            "bytes that wait for one socket",
            host.outbound_queue,
            "as `overflow` says: 1013, `backpressure`, or the oldest go",
            "`connections_stalled`, `frames_refused`, `frames_dropped`",
        ),
        LimitRow::host(
            "guest_threads",
            "calls at a time that are not short; 0 is two a core; half of them a plugin or tenant, and a tenant no more than half of the cores",
            host.guest_threads,
            "calls wait",
            "`guest_call_seconds`",
        ),
        LimitRow::host(
            "wait_time",
            "how long a call waits, all in all, for keys, values and requests",
            host.wait_time,
            "what it waits for fails",
            REACHED,
        ),
        LimitRow::host(
            "component",
            "bytes of a component",
            host.component,
            "it is not taken",
            "`versions_refused`",
        ),
        LimitRow::host(
            "memory",
            "bytes of linear memory of an instance",
            host.memory,
            "`memory.grow` fails",
            REACHED,
        )
        .narrowed(),
        LimitRow::host(
            "call_time",
            "running time of a call for a connection",
            host.call_time,
            "1011; the instance ends",
            "`guest_faults`",
        )
        .narrowed(),
        LimitRow::host(
            "worker_time",
            "running time of a worker with a message",
            host.worker_time,
            "the message is lost; the instance ends",
            "`guest_faults`",
        )
        .narrowed(),
        LimitRow::host(
            "timers",
            "pending timers of a connection",
            host.timers,
            "`set-timer` answers `other`",
            REACHED,
        )
        .narrowed(),
        LimitRow::host(
            "log_lines",
            "lines a second that a version logs for long, five times as many at once",
            host.log_lines,
            "further lines are dropped, which is logged once",
            "`guest_log_lines_dropped`",
        )
        .narrowed(),
        LimitRow::host(
            "snapshot",
            "bytes that one consumer, or a module, leaves to its successor",
            host.snapshot,
            "it does not move: `on_failed_move`",
            REACHED,
        )
        .narrowed(),
        LimitRow {
            of_plugin: true,
            of_tenant: true,
            tenant: text(stranger.snapshots.as_ref().map(|it| it as &dyn Display)),
            ..LimitRow::host(
                "snapshots",
                "bytes of all that was left to successors and is not taken back yet",
                host.snapshots,
                "it does not move: `on_failed_move`",
                REACHED,
            )
        },
        LimitRow {
            tenant: Some("half of the host's".to_owned()),
            ..LimitRow::host(
                "memories",
                "bytes of linear memory of all instances, of the plugins at the top of the file without the first 2 MiB of each; 0 is half of the memory of the machine, or of the process's control group",
                host.memories,
                "`memory.grow` fails; 503 where an instance cannot begin",
                REACHED,
            )
            .narrowed()
        },
        LimitRow {
            tenant: text(stranger.requests.as_ref().map(|it| it as &dyn Display)),
            ..LimitRow::host(
                "requests",
                "requests over `wasi:http` that are open at a time",
                host.requests,
                "`connection-limit-reached`",
                REACHED,
            )
            .narrowed()
        },
        LimitRow {
            of_plugin: true,
            of_tenant: true,
            ..LimitRow::host(
                "connections_per_address",
                "connections at a time of one client address, or network of IPv6; 0 is half of max_connections, and any number from this machine",
                host.connections_per_address,
                "429",
                REACHED,
            )
        },
        LimitRow {
            of_tenant: true,
            ..LimitRow::host(
                "groups",
                "groups that a connection is in",
                host.groups,
                "it is not added",
                REACHED,
            )
        },
    ];
    rows.extend([
        LimitRow::quota(
            "connections",
            "connections at a time",
            Some("half of max_connections".to_owned()),
            "503",
            REACHED,
        ),
        LimitRow::quota(
            "connects",
            "handshakes a second",
            number(&stranger.connects),
            "503",
            REACHED,
        ),
        LimitRow::quota(
            "instances",
            "running instances, each of several memories, or of more than four modules, counting for several; those of workers and of moves count and are not refused",
            Some("half of max_connections".to_owned()),
            "503",
            REACHED,
        ),
        LimitRow::quota(
            "cpu",
            "running time of guests a second",
            Some("half of what all cores have".to_owned()),
            "calls wait, and with them the reading of sockets",
            REACHED,
        ),
        LimitRow::quota(
            "frames_in",
            "messages of clients a second",
            number(&stranger.frames_in),
            WAITS,
            REACHED,
        ),
        LimitRow::quota(
            "bytes_in",
            "bytes of clients a second",
            text(stranger.bytes_in.as_ref().map(|it| it as &dyn Display)),
            WAITS,
            REACHED,
        ),
        LimitRow::quota(
            "frames_out",
            "frames to clients a second",
            number(&stranger.frames_out),
            HELD,
            REACHED,
        ),
        LimitRow::quota(
            "bytes_out",
            "bytes to clients a second",
            text(stranger.bytes_out.as_ref().map(|it| it as &dyn Display)),
            HELD,
            REACHED,
        ),
        LimitRow {
            of_plugin: false,
            ..LimitRow::quota(
                "keyvalue",
                "bytes that all buckets of `wasi:keyvalue` count for, 128 an entry included",
                Some("`quota` of `[keyvalue]`".to_owned()),
                "nothing more is kept",
                REACHED,
            )
        },
    ]);
    rows
}

/// What no configuration moves.
const FIXED: &[(&str, &str, &str)] = &[
    (
        "1 MiB each",
        "lines that wait for the readers of standard error and standard output",
        "further lines are dropped; `output_lines_dropped`",
    ),
    (
        "2 lines a second, 10 at once",
        "panics of a version, whether or not its manifest asks for `log`",
        "the log says that lines are dropped; `guest_faults{kind=\"trap\"}` counts all",
    ),
    ("16 KiB", "a handshake's head", "400 or 431; `handshakes_refused{answer=\"http\"}`"),
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
    ("64 MiB unread", "a tenant in one layer", "`other`; `layer_dropped`"),
    (
        "20,000 operations, 32 MiB and 1,000,000 memberships",
        "what waits in one layer for its Redis",
        "`unavailable`, `layer_lost`; a membership that ended lasts until it expires, which is logged",
    ),
];

/// The reference page, as `docs/reference/limits.md` has it.
pub fn limits_reference() -> String {
    let mut page = String::from(
        "# Limits\n\nMade from `host/src/config/reference.rs` by `narrowboat reference limits`. The host's stand in \
         `[limits]`, a tenant's in `[tenants.NAME.limits]`, a plugin's in `[plugins.NAME.limits]` or \
         `[tenants.NAME.plugins.PLUGIN.limits]`. Of several that hold the narrowest does; those of the host and of a \
         tenant are for all their plugins together where they are of something that is shared. Figures begin with `narrowboat_`; `limits_reached` has the label `limit`.\n\n\
         | key | bounds | host | a tenant | a plugin | beyond it | figure |\n|---|---|---|---|---|---|---|\n",
    );
    for row in limit_rows() {
        let host = row.host.unwrap_or_else(|| "–".to_owned());
        let tenant = match (row.of_tenant, row.tenant) {
            (false, _) => "–".to_owned(),
            (true, None) => "may have less".to_owned(),
            (true, Some(tenant)) => tenant,
        };
        let plugin = if row.of_plugin { "may have less" } else { "–" };
        let (key, bounds, beyond, figure) = (row.key, row.bounds, row.beyond, row.figure);
        page += &format!(
            "| `{key}` | {bounds} | {host} | {tenant} | {plugin} | {beyond} | {figure} |\n"
        );
    }
    page += "\nWhat no configuration moves:\n\n| bound | of what | beyond it |\n|---|---|---|\n";
    for (bound, of, beyond) in FIXED {
        page += &format!("| {bound} | {of} | {beyond} |\n");
    }
    page
}
