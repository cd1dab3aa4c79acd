//! Reference of `[tenants.NAME]` and `[tenants.NAME.limits]`.

use crate::reference::config_table::{ConfigKey, ConfigTable, KeyDefault};

pub(super) const TENANTS: ConfigTable = ConfigTable {
    name: "tenants.NAME",
    keys: &[
        ConfigKey {
            key: "hosts",
            value_type: "list of [host patterns](#host-and-origin-patterns)",
            default: KeyDefault::Alternative,
            description: "Requests for these host names belong to the tenant.",
        },
        ConfigKey {
            key: "path",
            value_type: "string such as `\"/acme\"`",
            default: KeyDefault::Alternative,
            description: "Requests below this path belong to the tenant. The path has whole segments, \
                 without `{`, `}` and `%`.",
        },
        ConfigKey {
            key: "allowed_origins",
            value_type: "list of [origin patterns](#host-and-origin-patterns)",
            default: KeyDefault::Described("as at the top"),
            description: "Replaces the top-level list for this tenant.",
        },
        ConfigKey {
            key: "plugins",
            value_type: "tables",
            default: KeyDefault::Absent,
            description: "The plugins of the tenant. The keys are those of \
                 [`[plugins.NAME]`](#pluginsname).",
        },
        ConfigKey {
            key: "routes",
            value_type: "list of tables",
            default: KeyDefault::Absent,
            description: "The routes of the tenant. The keys are those of [`[[routes]]`](#routes). A \
                 `path` matches what is left of the path after the tenant's own `path`.",
        },
        ConfigKey {
            key: "workers",
            value_type: "list of tables",
            default: KeyDefault::Absent,
            description: "The workers of the tenant. The keys are those of [`[[workers]]`](#workers).",
        },
        ConfigKey {
            key: "layer",
            value_type: "table",
            default: KeyDefault::Absent,
            description: "The default layer of the tenant. The keys are those of \
                 [`[layer]`](#layer-and-layersname). A layer that the tenant does not define \
                 has the settings of the host's layer, for this tenant alone.",
        },
        ConfigKey {
            key: "layers",
            value_type: "tables",
            default: KeyDefault::Absent,
            description: "Further layers of the tenant, with the same keys.",
        },
        ConfigKey {
            key: "tokens",
            value_type: "list of tables",
            default: KeyDefault::Absent,
            description: "See [tokens](#tenantsnametokens).",
        },
    ],
};

pub(super) const TENANTS_TLS: ConfigTable = ConfigTable {
    name: "tenants.NAME.tls",
    keys: &[
        ConfigKey {
            key: "hosts",
            value_type: "list of [host patterns](#host-and-origin-patterns) without `*` and addresses",
            default: KeyDefault::Described("`hosts` of the tenant"),
            description: "The names that clients send to get the certificate.",
        },
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

pub(super) const TENANTS_LIMITS: ConfigTable = ConfigTable {
    name: "tenants.NAME.limits",
    keys: &[
        ConfigKey {
            key: "groups",
            value_type: "integer",
            default: KeyDefault::Described("as `[limits]`"),
            description: "groups that one connection is in",
        },
        ConfigKey {
            key: "keyvalue",
            value_type: "size",
            default: KeyDefault::Described("`quota` of `[keyvalue]`"),
            description: "bytes in all buckets of the tenant",
        },
    ],
};
