//! Reference of `[plugins.NAME]` and the tables below it.

use crate::reference::config_table::{ConfigKey, ConfigTable, KeyDefault};

pub(super) const PLUGINS: ConfigTable = ConfigTable {
    name: "plugins.NAME",
    keys: &[
        ConfigKey {
            key: "component",
            value_type: "path",
            default: KeyDefault::Alternative,
            description: "The file of a component, or of a source bundle that `narrowboat plugin build` made. A \
                 plugin has one of `component`, `source` and `crate`.",
        },
        ConfigKey {
            key: "source",
            value_type: "path of a folder",
            default: KeyDefault::Alternative,
            description: "The folder of a source plugin, whose `plugin.toml` has a `runtime`. The host packs its \
                 files at start and each time that one of them changes. Refused together with \
                 `[signatures]`.",
        },
        ConfigKey {
            key: "crate",
            value_type: "path of a folder",
            default: KeyDefault::Alternative,
            description: "A guest crate that the host builds at start. Refused together with \
                 `[signatures]`.",
        },
        ConfigKey {
            key: "sha256",
            value_type: "list of SHA-256 hashes",
            default: KeyDefault::Absent,
            description: "The only versions that may run, whether they come as a file or by an \
                 upload. A hash has 64 hexadecimal digits; `narrowboat plugin inspect` \
                 prints it. Absent: any version.",
        },
        ConfigKey {
            key: "grants",
            value_type: "`\"all\"` or a table",
            default: KeyDefault::Described("nothing"),
            description: "See [grants](#pluginsnamegrants).",
        },
        ConfigKey {
            key: "isolation",
            value_type: "`\"connection\"`, `\"shared\"`",
            default: KeyDefault::Described("as in the manifest"),
            description: "`\"connection\"`: one instance for each connection. `\"shared\"`: one \
                 instance for many connections, which share the state of the module. The key \
                 may only narrow the manifest: `\"shared\"` needs a manifest that says \
                 `\"shared\"`.",
        },
        ConfigKey {
            key: "instances",
            value_type: "integer, 1 to 1000",
            default: KeyDefault::Value("1"),
            description: "Instances over which the host spreads the connections. More than 1 needs \
                 isolation `\"shared\"`.",
        },
        ConfigKey {
            key: "overflow",
            value_type: "`\"close\"`, `\"refuse\"`, `\"drop-oldest\"`",
            default: KeyDefault::Value("\"close\""),
            description: "What the host does if `outbound_queue` is full because the client does not \
                 read. See [limits and \
                 fairness](../explanation/limits-and-fairness.md#clients-that-do-not-read).",
        },
        ConfigKey {
            key: "on_failed_move",
            value_type: "`\"keep-old\"`, `\"restart\"`, `\"close\"`",
            default: KeyDefault::Value("\"keep-old\""),
            description: "What happens to a consumer that cannot move to a new version. \
                 `\"keep-old\"`: it stays on its version; with a shared instance no consumer \
                 moves, and the new version is refused. `\"restart\"`: a fresh consumer \
                 takes its place. `\"close\"`: the connection closes with 1012. An explicit \
                 `\"keep-old\"` is refused for a shared instance. The default of `narrowboat \
                 dev` is `\"restart\"`.",
        },
        ConfigKey {
            key: "move_wait",
            value_type: "duration, at most 10m",
            default: KeyDefault::Value("\"5s\""),
            description: "How long a guest whose code waits, for example in a coroutine, may postpone its move \
                 to a new version. The host asks it again after each event, and then forces \
                 the move. A deploy waits for it.",
        },
        ConfigKey {
            key: "layer",
            value_type: "string",
            default: KeyDefault::Value("\"default\""),
            description: "The channel layer that the plugin uses: the `NAME` of a `[layers.NAME]`.",
        },
        ConfigKey {
            key: "config",
            value_type: "table",
            default: KeyDefault::Absent,
            description: "Settings that the plugin reads: any keys and values. See \
                 [settings](#pluginsnameconfig).",
        },
    ],
};

pub(super) const PLUGINS_LIMITS: ConfigTable = ConfigTable {
    name: "plugins.NAME.limits",
    keys: &[
        ConfigKey {
            key: "memory",
            value_type: "size",
            default: KeyDefault::Absent,
            description: "linear memory of one instance",
        },
        ConfigKey {
            key: "call_time",
            value_type: "duration, whole milliseconds",
            default: KeyDefault::Absent,
            description: "running time of one event of a connection",
        },
        ConfigKey {
            key: "worker_time",
            value_type: "duration, whole milliseconds",
            default: KeyDefault::Absent,
            description: "running time of a worker for one message",
        },
        ConfigKey {
            key: "timers",
            value_type: "integer",
            default: KeyDefault::Absent,
            description: "pending timers of one connection",
        },
        ConfigKey {
            key: "log_lines_per_second",
            value_type: "integer, a second",
            default: KeyDefault::Absent,
            description: "log lines of one version",
        },
        ConfigKey {
            key: "snapshot",
            value_type: "size",
            default: KeyDefault::Absent,
            description: "saved state of one consumer, or of a module, that moves to a new version",
        },
        ConfigKey {
            key: "total_snapshots",
            value_type: "size",
            default: KeyDefault::Absent,
            description: "all saved states for rollbacks, restarts and connections that hibernate",
        },
        ConfigKey {
            key: "total_memory",
            value_type: "size",
            default: KeyDefault::Absent,
            description: "linear memory of all instances together",
        },
        ConfigKey {
            key: "instances",
            value_type: "integer",
            default: KeyDefault::Absent,
            description: "running instances",
        },
        ConfigKey {
            key: "connections",
            value_type: "integer",
            default: KeyDefault::Absent,
            description: "connections at a time",
        },
        ConfigKey {
            key: "connections_per_address",
            value_type: "integer",
            default: KeyDefault::Absent,
            description: "connections at a time of one client address",
        },
        ConfigKey {
            key: "handshakes_per_second",
            value_type: "integer, a second",
            default: KeyDefault::Absent,
            description: "handshakes",
        },
        ConfigKey {
            key: "cpu",
            value_type: "duration, a second",
            default: KeyDefault::Absent,
            description: "running time of guests",
        },
        ConfigKey {
            key: "frames_in",
            value_type: "integer, a second",
            default: KeyDefault::Absent,
            description: "messages of clients",
        },
        ConfigKey {
            key: "bytes_in",
            value_type: "size, a second",
            default: KeyDefault::Absent,
            description: "bytes of clients",
        },
        ConfigKey {
            key: "frames_out",
            value_type: "integer, a second",
            default: KeyDefault::Absent,
            description: "frames to clients",
        },
        ConfigKey {
            key: "bytes_out",
            value_type: "size, a second",
            default: KeyDefault::Absent,
            description: "bytes to clients",
        },
        ConfigKey {
            key: "http_requests",
            value_type: "integer",
            default: KeyDefault::Absent,
            description: "HTTP requests that are open at a time",
        },
        ConfigKey {
            key: "loads",
            value_type: "integer",
            default: KeyDefault::Absent,
            description: "versions that are compiled and tried at a time",
        },
        ConfigKey {
            key: "deploys_per_minute",
            value_type: "integer, a minute",
            default: KeyDefault::Absent,
            description: "uploads and changed files",
        },
        ConfigKey {
            key: "compile_time",
            value_type: "duration, counted in whole seconds",
            default: KeyDefault::Absent,
            description: "processor time of the compilation of one component",
        },
        ConfigKey {
            key: "compile_memory",
            value_type: "size",
            default: KeyDefault::Absent,
            description: "memory of the process that compiles one component",
        },
    ],
};

pub(super) const PLUGINS_GRANTS: ConfigTable = ConfigTable {
    name: "plugins.NAME.grants",
    keys: &[
        ConfigKey {
            key: "groups",
            value_type: "list of patterns, at most 64",
            default: KeyDefault::Value("[]"),
            description: "joining, leaving and sending to these groups",
        },
        ConfigKey {
            key: "channels",
            value_type: "list of patterns, at most 64",
            default: KeyDefault::Value("[]"),
            description: "sending to these named channels, and adding them to a group",
        },
        ConfigKey {
            key: "log",
            value_type: "boolean",
            default: KeyDefault::Value("false"),
            description: "lines in the log",
        },
        ConfigKey {
            key: "clocks",
            value_type: "boolean",
            default: KeyDefault::Value("false"),
            description: "`wasi:clocks`",
        },
        ConfigKey {
            key: "random",
            value_type: "boolean",
            default: KeyDefault::Value("false"),
            description: "`wasi:random`",
        },
        ConfigKey {
            key: "keyvalue",
            value_type: "boolean",
            default: KeyDefault::Value("false"),
            description: "`wasi:keyvalue`",
        },
        ConfigKey {
            key: "http",
            value_type: "list of destinations, at most 64",
            default: KeyDefault::Value("[]"),
            description: "HTTP requests to these hosts",
        },
        ConfigKey {
            key: "private_addresses",
            value_type: "boolean",
            default: KeyDefault::Value("false"),
            description: "HTTP requests to addresses that are not on the public internet",
        },
    ],
};

pub(super) const PLUGINS_ROLLBACK: ConfigTable = ConfigTable {
    name: "plugins.NAME.rollback",
    keys: &[
        ConfigKey {
            key: "window",
            value_type: "duration",
            default: KeyDefault::Value("\"30s\""),
            description: "The version became live within this time. `\"0s\"`: the host does not watch it.",
        },
        ConfigKey {
            key: "faults_per_thousand",
            value_type: "integer",
            default: KeyDefault::Value("5"),
            description: "More faults in a thousand events than this: traps, time-outs and errors of \
                 the plugin. Up to twice the rate of the version before is allowed.",
        },
        ConfigKey {
            key: "min_events",
            value_type: "integer",
            default: KeyDefault::Value("200"),
            description: "At least this many events.",
        },
        ConfigKey {
            key: "min_clients",
            value_type: "integer",
            default: KeyDefault::Value("3"),
            description: "At least this many different clients saw a fault.",
        },
        ConfigKey {
            key: "clients_per_hundred",
            value_type: "integer",
            default: KeyDefault::Value("50"),
            description: "The clients that saw a fault are at least this many of a hundred clients.",
        },
    ],
};
