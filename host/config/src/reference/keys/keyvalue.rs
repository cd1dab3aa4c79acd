//! Reference of `[keyvalue]`.

use crate::reference::config_table::{ConfigKey, ConfigTable, KeyDefault};

pub(super) const KEYVALUE: ConfigTable = ConfigTable {
    name: "keyvalue",
    keys: &[
        ConfigKey {
            key: "backend",
            value_type: "`\"file\"`, `\"memory\"`, `\"redis\"`",
            default: KeyDefault::Described(
                "`\"file\"` with `[versions]`, `[admin]` or systemd's `StateDirectory=`, else `\"memory\"`",
            ),
            description: "`\"file\"`: values outlive the process, on this machine. `\"memory\"`: values end \
                 with the process. `\"redis\"`: values outlive the process, and hosts share them.",
        },
        ConfigKey {
            key: "path",
            value_type: "path",
            default: KeyDefault::Described("`.keyvalue` in the folder of `[versions]`"),
            description: "File only. The folder of the store, which one process at a time may have open.",
        },
        ConfigKey {
            key: "quota",
            value_type: "size",
            default: KeyDefault::Value("\"16 MiB\""),
            description: "Bytes in all buckets of a tenant without a `keyvalue` limit.",
        },
        ConfigKey {
            key: "max_value",
            value_type: "size, at most 4 MiB",
            default: KeyDefault::Value("\"1 MiB\""),
            description: "The largest value.",
        },
        ConfigKey {
            key: "max_key",
            value_type: "size, at most 64 KiB",
            default: KeyDefault::Value("\"1 KiB\""),
            description: "The longest key.",
        },
        ConfigKey {
            key: "hosts",
            value_type: "list of one [Redis host](#redis-hosts)",
            default: KeyDefault::Value("[\"redis://localhost:6379\"]"),
            description: "Redis only. Exactly one host, since the quota is counted where the values are.",
        },
        ConfigKey {
            key: "prefix",
            value_type: "string",
            default: KeyDefault::Value("\"keyvalue\""),
            description: "Redis only. The beginning of every Redis key, with the rule of a layer's \
                 `prefix`.",
        },
        ConfigKey {
            key: "room_lease",
            value_type: "duration, `\"1s\"` to `\"10m\"`",
            default: KeyDefault::Value("\"10s\""),
            description: "Redis only. How long a host owns a [room](../how-to/keep-state-in-rooms.md) after it has last \
                 renewed its lease, which it does three times as often. A room whose host is gone wakes on another host \
                 after that time.",
        },
    ],
};
