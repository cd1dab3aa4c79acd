//! Reference of `[limits]`.

use crate::reference::config_table::{ConfigKey, ConfigTable, KeyDefault};

pub(super) const LIMITS: ConfigTable = ConfigTable {
    name: "limits",
    keys: &[
        ConfigKey {
            key: "max_connections",
            value_type: "integer, 1 to 1,000,000",
            default: KeyDefault::Value("10000"),
            description: "Sockets at a time.",
        },
        ConfigKey {
            key: "handshake_timeout",
            value_type: "duration",
            default: KeyDefault::Value("\"10s\""),
            description: "Time from accept to the answer, the consumer's decision included.",
        },
        ConfigKey {
            key: "ping_interval",
            value_type: "duration",
            default: KeyDefault::Value("\"20s\""),
            description: "The host sends a ping after this silence of a client.",
        },
        ConfigKey {
            key: "idle_timeout",
            value_type: "duration",
            default: KeyDefault::Value("\"60s\""),
            description: "The host closes with 1008 after this silence, pongs included. It must be \
                 longer than `ping_interval`.",
        },
        ConfigKey {
            key: "close_timeout",
            value_type: "duration",
            default: KeyDefault::Value("\"5s\""),
            description: "Time for the client to answer a Close frame.",
        },
        ConfigKey {
            key: "shutdown_grace",
            value_type: "duration",
            default: KeyDefault::Value("\"10s\""),
            description: "Time for all sockets together to close after SIGTERM or ctrl-c.",
        },
        ConfigKey {
            key: "max_message",
            value_type: "size",
            default: KeyDefault::Value("\"1 MiB\""),
            description: "A client's message, all fragments together, and a frame that a consumer \
                 sends. A route may set its own.",
        },
        ConfigKey {
            key: "max_frame",
            value_type: "size",
            default: KeyDefault::Value("\"1 MiB\""),
            description: "A single frame of a client.",
        },
        ConfigKey {
            key: "outbound_queue",
            value_type: "size",
            default: KeyDefault::Value("\"1 MiB\""),
            description: "Bytes that wait for one socket before `overflow` applies.",
        },
        ConfigKey {
            key: "memory",
            value_type: "size, at most 4 GiB",
            default: KeyDefault::Value("\"64 MiB\""),
            description: "Linear memory of one instance.",
        },
        ConfigKey {
            key: "call_time",
            value_type: "duration, whole milliseconds",
            default: KeyDefault::Value("\"100ms\""),
            description: "Running time of one call for a connection.",
        },
        ConfigKey {
            key: "worker_time",
            value_type: "duration, whole milliseconds",
            default: KeyDefault::Value("\"10s\""),
            description: "Running time of a worker for one message.",
        },
        ConfigKey {
            key: "load_time",
            value_type: "duration, whole milliseconds",
            default: KeyDefault::Value("\"5s\""),
            description: "Running time in which a runtime compiles the source of a plugin, or loads it \
                 into an instance.",
        },
        ConfigKey {
            key: "compile_time",
            value_type: "duration, counted in whole seconds",
            default: KeyDefault::Value("\"2m\""),
            description: "Processor time of the compilation of one component, on all cores together.",
        },
        ConfigKey {
            key: "compile_memory",
            value_type: "size",
            default: KeyDefault::Value("\"2 GiB\""),
            description: "Memory of the process that compiles one component.",
        },
        ConfigKey {
            key: "wait_time",
            value_type: "duration",
            default: KeyDefault::Value("\"30s\""),
            description: "Time that one call may wait for keyvalue and HTTP, all waits together.",
        },
        ConfigKey {
            key: "guest_threads",
            value_type: "integer",
            default: KeyDefault::Value("0"),
            description: "Calls that are not short and run at a time. 0: two for each core. See \
                 [limits and fairness](../explanation/limits-and-fairness.md).",
        },
        ConfigKey {
            key: "connections_per_address",
            value_type: "integer",
            default: KeyDefault::Value("0"),
            description: "Connections at a time of one client address. 0: half of `max_connections`, \
                 and any number from a loopback address.",
        },
        ConfigKey {
            key: "handshakes_per_address",
            value_type: "integer",
            default: KeyDefault::Value("0"),
            description: "Sockets of one address with an unfinished handshake. 0: an eighth of \
                 `max_connections`, and any number from a loopback address. Sockets of \
                 trusted proxies do not count.",
        },
        ConfigKey {
            key: "timers",
            value_type: "integer, at most 1000",
            default: KeyDefault::Value("64"),
            description: "Pending timers of one connection.",
        },
        ConfigKey {
            key: "groups",
            value_type: "integer",
            default: KeyDefault::Value("1000"),
            description: "Groups that one connection is in.",
        },
        ConfigKey {
            key: "log_lines_per_second",
            value_type: "integer, a second",
            default: KeyDefault::Value("100"),
            description: "Log lines of one version.",
        },
        ConfigKey {
            key: "snapshot",
            value_type: "size",
            default: KeyDefault::Value("\"16 MiB\""),
            description: "Saved state of one consumer, or of a module, that moves to a new version.",
        },
        ConfigKey {
            key: "total_snapshots",
            value_type: "size",
            default: KeyDefault::Value("\"512 MiB\""),
            description: "All saved states for rollbacks, restarts and connections that hibernate.",
        },
        ConfigKey {
            key: "total_memory",
            value_type: "size",
            default: KeyDefault::Value("0"),
            description: "Linear memory of all instances together, as far as it counts. 0: half of the memory of the \
                 machine, or of the control group of the process if that has less.",
        },
        ConfigKey {
            key: "http_requests",
            value_type: "integer, 1 to 100,000",
            default: KeyDefault::Value("256"),
            description: "HTTP requests of plugins that are open at a time.",
        },
        ConfigKey {
            key: "max_component",
            value_type: "size",
            default: KeyDefault::Value("\"64 MiB\""),
            description: "The largest component that the host reads.",
        },
    ],
};
