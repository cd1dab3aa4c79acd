//! Reference of `[layer]` and `[layers.NAME]`.

use crate::reference::config_table::{ConfigKey, ConfigTable, KeyDefault};

pub(super) const LAYER: ConfigTable = ConfigTable {
    name: "layer",
    keys: &[
        ConfigKey {
            key: "backend",
            value_type: "`\"memory\"`, `\"redis\"`, `\"redis-pubsub\"`",
            default: KeyDefault::Value("\"memory\""),
            description: "`\"redis\"` is compatible with `RedisChannelLayer` of channels_redis, and \
                 `\"redis-pubsub\"` with `RedisPubSubChannelLayer`.",
        },
        ConfigKey {
            key: "capacity",
            value_type: "integer, at least 1",
            default: KeyDefault::Value("100"),
            description: "Messages that a channel holds.",
        },
        ConfigKey {
            key: "channel_capacity",
            value_type: "table, or list of `{ pattern, capacity }`",
            default: KeyDefault::Value("{}"),
            description: "Another capacity for channels whose names match a pattern. The first match wins.",
        },
        ConfigKey {
            key: "expiry",
            value_type: "duration or seconds",
            default: KeyDefault::Value("\"60s\""),
            description: "How long a message waits for a reader.",
        },
        ConfigKey {
            key: "group_expiry",
            value_type: "duration or seconds",
            default: KeyDefault::Value("\"1day\""),
            description: "How long a membership lasts that no open connection holds.",
        },
        ConfigKey {
            key: "mailbox_bytes",
            value_type: "size",
            default: KeyDefault::Value("\"1 MiB\""),
            description: "Bytes that a channel holds.",
        },
        ConfigKey {
            key: "max_message",
            value_type: "size",
            default: KeyDefault::Value("\"1 MiB\""),
            description: "The largest message.",
        },
        ConfigKey {
            key: "hosts",
            value_type: "list of [Redis hosts](#redis-hosts)",
            default: KeyDefault::Value("[\"redis://localhost:6379\"]"),
            description: "Redis only. Several hosts are shards.",
        },
        ConfigKey {
            key: "prefix",
            value_type: "string",
            default: KeyDefault::Value("\"asgi\""),
            description: "Redis only. The beginning of every key: at most 50 letters, digits, `.`, \
                 `_`, `-` and `:`.",
        },
        ConfigKey {
            key: "symmetric_encryption_keys",
            value_type: "list of strings and [references](#secrets)",
            default: KeyDefault::Value("[]"),
            description: "Redis only. The first key encrypts, and each key decrypts. Empty: messages \
                 are not encrypted.",
        },
        ConfigKey {
            key: "serializer",
            value_type: "`\"msgpack\"`, `\"json\"`",
            default: KeyDefault::Value("\"msgpack\""),
            description: "Redis only. Bytes cannot be sent as JSON.",
        },
        ConfigKey {
            key: "serializer_format",
            value_type: "`\"msgpack\"`, `\"json\"`",
            default: KeyDefault::Absent,
            description: "Redis only. Django's name for `serializer`; a layer has one of the two.",
        },
        ConfigKey {
            key: "random_prefix_length",
            value_type: "integer, at most 1024",
            default: KeyDefault::Value("12"),
            description: "`\"redis\"` only. Random bytes before each message. It is 0 with \
                 `\"redis-pubsub\"`.",
        },
    ],
};
