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
    ],
};
