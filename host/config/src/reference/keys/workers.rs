//! Reference of `[[workers]]`.

use crate::reference::config_table::{ConfigKey, ConfigTable, KeyDefault};

pub(super) const WORKERS: ConfigTable = ConfigTable {
    name: "workers",
    keys: &[
        ConfigKey {
            key: "channel",
            value_type: "string",
            default: KeyDefault::Required,
            description: "The channel's name, without `!`. Each channel of a layer has one worker table.",
        },
        ConfigKey {
            key: "plugin",
            value_type: "string",
            default: KeyDefault::Required,
            description: "The plugin that takes the messages. It must export a worker, and its layer \
                 must not be `\"redis-pubsub\"`.",
        },
        ConfigKey {
            key: "instances",
            value_type: "integer, 1 to 1000",
            default: KeyDefault::Value("1"),
            description: "Messages that this host handles at a time, each in an instance of its own.",
        },
        ConfigKey {
            key: "every",
            value_type: "duration, at least 100 ms",
            default: KeyDefault::Absent,
            description: "The host puts a `worker.tick` into the channel once in each period. Of \
                 several hosts with one Redis, one does. Absent: no tick.",
        },
        ConfigKey {
            key: "cron",
            value_type: "string",
            default: KeyDefault::Absent,
            description: "The times at which the worker gets a `worker.cron`, as five fields of cron or \
                 a name such as `@daily`. Of several hosts with one key-value store, one runs it. Not \
                 together with `every`. Absent: no schedule.",
        },
        ConfigKey {
            key: "timezone",
            value_type: "string",
            default: KeyDefault::Value("\"UTC\""),
            description: "With `cron`. The name of the time zone in the IANA database.",
        },
        ConfigKey {
            key: "at_least_once",
            value_type: "boolean",
            default: KeyDefault::Value("false"),
            description: "With `cron`. Whether a run is repeated if its worker fails or its host dies, \
                 up to 5 times in all.",
        },
        ConfigKey {
            key: "catch_up",
            value_type: "boolean",
            default: KeyDefault::Value("false"),
            description: "With `cron`. Whether the last of the runs that were missed is made up for.",
        },
    ],
};
