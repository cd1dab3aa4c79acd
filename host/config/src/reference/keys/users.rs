//! Reference of `[users]` and the tables below it.

use crate::reference::config_table::{ConfigKey, ConfigTable, KeyDefault};

pub(super) const USERS: ConfigTable = ConfigTable {
    name: "users",
    keys: &[ConfigKey {
        key: "required",
        value_type: "boolean",
        default: KeyDefault::Value("false"),
        description: "`true`: a handshake without a known user gets 401.",
    }],
};

pub(super) const USERS_JWT: ConfigTable = ConfigTable {
    name: "users.jwt",
    keys: &[
        ConfigKey {
            key: "secret",
            value_type: "[reference](#secrets)",
            default: KeyDefault::Alternative,
            description: "A shared secret in the environment or in a file. The table has exactly one of `secret`, \
                 `secret_file`, `key_file` and `jwks_file`.",
        },
        ConfigKey {
            key: "secret_file",
            value_type: "path",
            default: KeyDefault::Alternative,
            description: "The file of a shared secret.",
        },
        ConfigKey {
            key: "key_file",
            value_type: "path",
            default: KeyDefault::Alternative,
            description: "A public key, as PEM.",
        },
        ConfigKey {
            key: "jwks_file",
            value_type: "path",
            default: KeyDefault::Alternative,
            description: "A JSON Web Key Set (RFC 7517).",
        },
        ConfigKey {
            key: "algorithms",
            value_type: "list",
            default: KeyDefault::Required,
            description: "`[\"HS256\"]` with a secret, else some of `\"RS256\"`, `\"ES256\"` and \
                 `\"EdDSA\"`.",
        },
        ConfigKey {
            key: "audience",
            value_type: "string",
            default: KeyDefault::Absent,
            description: "The value that `aud` must have. Absent: a token with `aud` is refused.",
        },
        ConfigKey {
            key: "issuer",
            value_type: "string",
            default: KeyDefault::Absent,
            description: "The value that `iss` must have. Absent: any.",
        },
        ConfigKey {
            key: "from",
            value_type: "list",
            default: KeyDefault::Value("[\"header\"]"),
            description: "Where the host looks for a token, in this order: `\"header\"` \
                 (`Authorization: Bearer TOKEN`), `\"cookie:NAME\"`, `\"query:NAME\"`, \
                 `\"subprotocol\"` (`bearer.TOKEN`).",
        },
        ConfigKey {
            key: "leeway",
            value_type: "duration",
            default: KeyDefault::Value("\"30s\""),
            description: "Tolerated clock difference for `exp` and `nbf`.",
        },
    ],
};

pub(super) const USERS_WEBHOOK: ConfigTable = ConfigTable {
    name: "users.webhook",
    keys: &[
        ConfigKey {
            key: "url",
            value_type: "URL, `http` or `https`, or a [reference](#secrets)",
            default: KeyDefault::Required,
            description: "The host sends a GET request. 200 with a JSON object: the claims of the \
                 user. 204: no user.",
        },
        ConfigKey {
            key: "headers",
            value_type: "list of header names",
            default: KeyDefault::Value("[\"cookie\"]"),
            description: "Headers of the handshake that the host passes on.",
        },
        ConfigKey {
            key: "timeout",
            value_type: "duration",
            default: KeyDefault::Value("\"2s\""),
            description: "Without an answer in this time the handshake gets 503.",
        },
    ],
};
