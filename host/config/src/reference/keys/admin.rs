//! Reference of `[admin]` and `[[admin.tokens]]`.

use crate::reference::config_table::{ConfigKey, ConfigTable, KeyDefault};

pub(super) const ADMIN: ConfigTable = ConfigTable {
    name: "admin",
    keys: &[
        ConfigKey {
            key: "listen",
            value_type: "address or name, and port",
            default: KeyDefault::Value("\"127.0.0.1:8001\""),
            description: "Where the admin API and its page listen. Not the `listen` at the top.",
        },
        ConfigKey {
            key: "token_file",
            value_type: "path",
            default: KeyDefault::Described("`admin.token` in the folder of `[versions]`"),
            description: "The file of a token that allows everything. The host creates it if it does \
                 not exist.",
        },
        ConfigKey {
            key: "hosts",
            value_type: "list of host names",
            default: KeyDefault::Value("[]"),
            description: "Names that a request to the interface may name, beside IP addresses and \
                 `localhost`.",
        },
        ConfigKey {
            key: "max_upload",
            value_type: "size",
            default: KeyDefault::Value("\"64 MiB\""),
            description: "The largest component in an upload.",
        },
    ],
};

pub(super) const ADMIN_TOKENS: ConfigTable = ConfigTable {
    name: "admin.tokens",
    keys: &[
        ConfigKey {
            key: "name",
            value_type: "string",
            default: KeyDefault::Required,
            description: "The token's name in the log and in the list of versions.",
        },
        ConfigKey {
            key: "file",
            value_type: "path",
            default: KeyDefault::Alternative,
            description: "The file with the token, which has at least 16 characters; only its user may be able to read it. A token has \
                 exactly one of `file`, `env` and `sha256`.",
        },
        ConfigKey {
            key: "env",
            value_type: "string",
            default: KeyDefault::Alternative,
            description: "The environment variable with the token, which has at least 16 characters.",
        },
        ConfigKey {
            key: "sha256",
            value_type: "string of 64 hexadecimal digits",
            default: KeyDefault::Alternative,
            description: "The SHA-256 of the token, as `printf %s TOKEN | sha256sum` prints it.",
        },
        ConfigKey {
            key: "scopes",
            value_type: "list, not empty",
            default: KeyDefault::Required,
            description: "What the token allows.",
        },
    ],
};
