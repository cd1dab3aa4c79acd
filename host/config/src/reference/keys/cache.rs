//! Reference of `[cache]`.

use crate::reference::config_table::{ConfigKey, ConfigTable, KeyDefault};

pub(super) const CACHE: ConfigTable = ConfigTable {
    name: "cache",
    keys: &[
        ConfigKey {
            key: "folder",
            value_type: "path",
            default: KeyDefault::Described(
                "`$CACHE_DIRECTORY`, else `$XDG_CACHE_HOME/narrowboat`, else \
                     `$HOME/.cache/narrowboat`",
            ),
            description: "Where the host keeps compiled code. Without the key and these variables \
                 there is no cache.",
        },
        ConfigKey {
            key: "size",
            value_type: "size",
            default: KeyDefault::Value("\"512 MiB\""),
            description: "Bytes of all files. The least recently used code goes first. 0: no cache.",
        },
    ],
};
