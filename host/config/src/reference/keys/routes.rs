//! Reference of `[[routes]]`.

use crate::reference::config_table::{ConfigKey, ConfigTable, KeyDefault};

pub(super) const ROUTES: ConfigTable = ConfigTable {
    name: "routes",
    keys: &[
        ConfigKey {
            key: "path",
            value_type: "string",
            default: KeyDefault::Alternative,
            description: "The whole decoded path. `{name}` matches one segment. A route has either \
                 `path` or `regex`.",
        },
        ConfigKey {
            key: "regex",
            value_type: "string",
            default: KeyDefault::Alternative,
            description: "A regular expression that the host searches for in the decoded path. Named \
                 groups are captures.",
        },
        ConfigKey {
            key: "plugin",
            value_type: "string",
            default: KeyDefault::Required,
            description: "The plugin that serves the route. It must export a consumer.",
        },
        ConfigKey {
            key: "max_message",
            value_type: "size",
            default: KeyDefault::Described("`limits.max_message`"),
            description: "The largest message of a client on this route, and the largest frame that a \
                 consumer sends.",
        },
        ConfigKey {
            key: "deflate",
            value_type: "`\"no-context-takeover\"`, `\"context-takeover\"`",
            default: KeyDefault::Absent,
            description: "permessage-deflate (RFC 7692). Absent: the host does not compress.",
        },
    ],
};
