//! Reference of `[proxy]`.

use crate::reference::config_table::{ConfigKey, ConfigTable, KeyDefault};

pub(super) const PROXY: ConfigTable = ConfigTable {
    name: "proxy",
    keys: &[
        ConfigKey {
            key: "trusted",
            value_type: "list of addresses and networks, not empty",
            default: KeyDefault::Required,
            description: "Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` count.",
        },
        ConfigKey {
            key: "use_forwarded_host",
            value_type: "boolean",
            default: KeyDefault::Value("false"),
            description: "`true`: their `X-Forwarded-Host` counts too. The proxy must set the header \
                 itself.",
        },
        ConfigKey {
            key: "proxy_protocol",
            value_type: "boolean",
            default: KeyDefault::Value("false"),
            description: "`true`: each of their connections begins with a header of the PROXY \
                 protocol, version 1 or 2.",
        },
    ],
};
