//! Every key of `plugin.toml` as data.

use super::config_table::{ConfigKey, ConfigTable, KeyDefault};

const TABLES: &[ConfigTable] = &[TOP_LEVEL, LIMITS, CAPABILITIES];

/// Returns every table of the manifest, in the order of the reference page. `tests/manifest_reference.rs` compares their
/// keys and defaults with those that the host reads.
pub fn manifest_tables() -> &'static [ConfigTable] {
    TABLES
}

const TOP_LEVEL: ConfigTable = ConfigTable {
    name: "",
    keys: &[
        ConfigKey {
            key: "name",
            value_type: "string, 1 to 64 of `a-z`, `0-9`, `-`, `_`",
            default: KeyDefault::Required,
            description: "The plugin's own name. `narrowboat plugin build` writes the component to \
                 `narrowboat/NAME.wasm` in cargo's target folder, unless `--out FILE` is given.",
        },
        ConfigKey {
            key: "description",
            value_type: "string",
            default: KeyDefault::Value("\"\""),
            description: "One line for people.",
        },
        ConfigKey {
            key: "runtime",
            value_type: "`\"python\"`, `\"javascript\"`",
            default: KeyDefault::Absent,
            description: "The language of a source plugin, whose files are next to `plugin.toml`. `\"javascript\"` \
                 runs TypeScript too. A component has no runtime.",
        },
        ConfigKey {
            key: "consumer",
            value_type: "string, `module:Class`",
            default: KeyDefault::Absent,
            description: "The consumer's class in a source plugin. Only with `runtime`; not needed if the \
                 source has one consumer.",
        },
        ConfigKey {
            key: "worker",
            value_type: "string, `module:Class`",
            default: KeyDefault::Absent,
            description: "The worker's class in a source plugin. Only with `runtime`.",
        },
        ConfigKey {
            key: "isolation",
            value_type: "`\"connection\"`, `\"shared\"`, `\"room\"`",
            default: KeyDefault::Value("\"connection\""),
            description: "`\"connection\"`: each connection has an instance of its own, so a trap, a loop or \
                 a leak touches one client. `\"shared\"`: many connections share an instance and the \
                 module's state. `\"room\"`: each room has an instance, whose state is saved while nobody \
                 is in the room. With `runtime` the default is `\"shared\"`.",
        },
        ConfigKey {
            key: "room",
            value_type: "string, such as `{room}` or `{team}/{room}`",
            default: KeyDefault::Absent,
            description: "The URL parameters that name a room. Two parameters need a `/` or `:` between them. \
                 Required for, and only with, `isolation = \"room\"`.",
        },
        ConfigKey {
            key: "room_idle",
            value_type: "duration",
            default: KeyDefault::Absent,
            description: "The time without visitors after which the state of a room is saved and its \
                 instance is dropped: `\"30s\"` if the key is absent. Only with `isolation = \"room\"`.",
        },
        ConfigKey {
            key: "room_save",
            value_type: "string: `\"idle\"`, `\"event\"`, or a duration of at least `\"100ms\"`",
            default: KeyDefault::Absent,
            description: "When the state of a room is saved. `\"idle\"`, as if the key is absent: when it goes to sleep, and when the host \
                 stops. A duration: in this interval too. `\"event\"`: after each event, whose frames and other \
                 effects wait until the state is saved. Only with `isolation = \"room\"`.",
        },
        ConfigKey {
            key: "on_trap",
            value_type: "`\"close\"`, `\"restart\"`",
            default: KeyDefault::Value("\"close\""),
            description: "What happens when an instance traps or times out. `\"close\"`: its connections close with 1011. \
                 `\"restart\"`: another instance goes on with the state of the last checkpoint, so that the connections stay. \
                 Events since then are lost, with the one that trapped. At most three times a minute.",
        },
        ConfigKey {
            key: "checkpoint_every",
            value_type: "number of events, or a duration of at least `\"100ms\"`",
            default: KeyDefault::Absent,
            description: "When the state is saved for that: before an event, if this number of events has happened since the last time, \
                 or this time has passed. `\"5s\"` if the key is absent. Only with `on_trap = \"restart\"`.",
        },
        ConfigKey {
            key: "hibernate",
            value_type: "boolean",
            default: KeyDefault::Value("false"),
            description: "Whether a connection that is idle gives its instance back, and gets another one for its next event. Only with \
                 `isolation = \"connection\"`.",
        },
        ConfigKey {
            key: "hibernate_after",
            value_type: "duration",
            default: KeyDefault::Absent,
            description: "The time without events after which a connection hibernates, at least `\"100ms\"`: `\"1m\"` if the key is \
                 absent. Only with `hibernate = true`.",
        },
        ConfigKey {
            key: "execution",
            value_type: "`\"auto\"`, `\"thread\"`",
            default: KeyDefault::Value("\"auto\""),
            description: "`\"auto\"`: calls run on the socket's own task while they are short. After a long \
                 call, the calls of the version run on guest threads until 1,000 calls in a row were \
                 short. `\"thread\"`: calls always run on guest threads, for a plugin whose calls \
                 are always long.",
        },
        ConfigKey {
            key: "config_changed",
            value_type: "boolean",
            default: KeyDefault::Value("false"),
            description: "Whether each consumer gets a message of the type `config.changed` when the plugin's \
                 configuration or one of its secrets has changed.",
        },
    ],
};

const LIMITS: ConfigTable = ConfigTable {
    name: "limits",
    keys: &[
        ConfigKey {
            key: "memory",
            value_type: "size",
            default: KeyDefault::Described("the configuration's, which defaults to `\"64 MiB\"`"),
            description: "Linear memory of one instance.",
        },
        ConfigKey {
            key: "call_time",
            value_type: "duration",
            default: KeyDefault::Described("the configuration's, which defaults to `\"100ms\"`"),
            description: "Running time of one call for a connection.",
        },
        ConfigKey {
            key: "worker_time",
            value_type: "duration",
            default: KeyDefault::Described("the configuration's, which defaults to `\"10s\"`"),
            description: "Running time of a worker for one message.",
        },
    ],
};

const CAPABILITIES: ConfigTable = ConfigTable {
    name: "capabilities",
    keys: &[
        ConfigKey {
            key: "groups",
            value_type: "list of patterns, at most 64",
            default: KeyDefault::Value("[]"),
            description: "Groups that it joins, leaves and sends to.",
        },
        ConfigKey {
            key: "channels",
            value_type: "list of patterns, at most 64",
            default: KeyDefault::Value("[]"),
            description: "Named channels that it sends to, or makes members of a group. A worker receives the \
                 messages of its own channels without this capability.",
        },
        ConfigKey {
            key: "log",
            value_type: "boolean",
            default: KeyDefault::Value("false"),
            description: "Its lines in the log. The message and the location of a panic are logged without \
                 this capability.",
        },
        ConfigKey {
            key: "clocks",
            value_type: "boolean",
            default: KeyDefault::Value("false"),
            description: "Exact time by `wasi:clocks` or `narrowboat_guest::clock`. Without it the \
                 clocks have steps of 100 ms.",
        },
        ConfigKey {
            key: "random",
            value_type: "boolean",
            default: KeyDefault::Value("false"),
            description: "`wasi:random`, or `narrowboat_guest::random`.",
        },
        ConfigKey {
            key: "keyvalue",
            value_type: "boolean",
            default: KeyDefault::Value("false"),
            description: "`wasi:keyvalue`, or `narrowboat_guest::keyvalue`.",
        },
        ConfigKey {
            key: "http",
            value_type: "list of destinations, at most 64",
            default: KeyDefault::Value("[]"),
            description: "Hosts that it sends requests to, by `wasi:http` or `narrowboat_guest::http`.",
        },
        ConfigKey {
            key: "private_addresses",
            value_type: "boolean",
            default: KeyDefault::Value("false"),
            description: "Requests to addresses that are not on the public internet, such as those of the \
                 host's own network.",
        },
    ],
};
