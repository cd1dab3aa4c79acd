//! Reference of the keys above the first table.

use crate::reference::config_table::{ConfigKey, ConfigTable, KeyDefault};

pub(super) const TOP_LEVEL: ConfigTable = ConfigTable {
    name: "",
    keys: &[
        ConfigKey {
            key: "listen",
            value_type: "address or name, and port",
            default: KeyDefault::Value("\"127.0.0.1:8000\""),
            description: "Where the host accepts clients. For a name the host takes the first IPv4 \
                 address, or the first address if the name has no IPv4 address. With port 0 \
                 the host takes a free port and prints it.",
        },
        ConfigKey {
            key: "watch",
            value_type: "`\"events\"`, `\"poll\"`, `\"off\"`",
            default: KeyDefault::Value("\"events\""),
            description: "How the host notices a changed component or configuration file. \
                 `\"events\"` uses the notifications of the system, and a look each second. \
                 `\"poll\"` looks four times a second, for file systems without \
                 notifications. `\"off\"` does not look.",
        },
        ConfigKey {
            key: "demo",
            value_type: "boolean",
            default: KeyDefault::Value("false"),
            description: "`true`: the host serves a page at `/` on which browsers try every route. \
                 Under `narrowboat dev` on a loopback address, the page also edits source plugins.",
        },
        ConfigKey {
            key: "allowed_hosts",
            value_type: "list of [host patterns](#host-and-origin-patterns)",
            default: KeyDefault::Absent,
            description: "Host names that a request may name; any other gets 400. Absent: any host \
                 name. The list does not apply to requests for the `hosts` of a tenant.",
        },
        ConfigKey {
            key: "allowed_origins",
            value_type: "list of [origin patterns](#host-and-origin-patterns)",
            default: KeyDefault::Absent,
            description: "Origins of pages that may open a WebSocket; any other handshake gets 403. \
                 Absent: any origin, and a warning in the log if `listen` is not a loopback \
                 address.",
        },
    ],
};
