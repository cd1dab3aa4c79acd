//! Reference of `[signatures]`.

use crate::reference::config_table::{ConfigKey, ConfigTable, KeyDefault};

pub(super) const SIGNATURES: ConfigTable = ConfigTable {
    name: "signatures",
    keys: &[ConfigKey {
        key: "keys",
        value_type: "list of paths, not empty",
        default: KeyDefault::Required,
        description: "Public keys of Ed25519, as PEM. Every component needs a signature of one of them.",
    }],
};
