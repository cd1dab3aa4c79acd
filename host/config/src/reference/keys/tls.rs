//! Reference of `[tls]`.

use crate::reference::config_table::{ConfigKey, ConfigTable, KeyDefault};

pub(super) const TLS: ConfigTable = ConfigTable {
    name: "tls",
    keys: &[
        ConfigKey {
            key: "cert",
            value_type: "path, or a [reference](#secrets)",
            default: KeyDefault::Required,
            description: "The certificate and its chain, as PEM.",
        },
        ConfigKey {
            key: "key",
            value_type: "path, or a [reference](#secrets)",
            default: KeyDefault::Required,
            description: "The private key, as PEM.",
        },
    ],
};
