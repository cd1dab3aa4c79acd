//! Reference of `[versions]`.

use crate::reference::config_table::{ConfigKey, ConfigTable, KeyDefault};

pub(super) const VERSIONS: ConfigTable = ConfigTable {
    name: "versions",
    keys: &[
        ConfigKey {
            key: "folder",
            value_type: "path",
            default: KeyDefault::Described("see below"),
            description: "Where the host keeps the versions that plugins have had. One host at a time \
                 uses a folder.",
        },
        ConfigKey {
            key: "keep",
            value_type: "integer, 3 to 1000",
            default: KeyDefault::Value("10"),
            description: "Versions of each plugin that the host keeps, the live one and the one \
                 before included.",
        },
    ],
};
