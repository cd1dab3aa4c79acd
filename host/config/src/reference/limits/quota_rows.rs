//! Limits that tenants and plugins have, and the host as a whole does not.

use super::limit_row::{LIMITS_REACHED, LimitRow, TenantLimit, format_default};

const READING_PAUSES: &str =
    "the host reads no further frame until there is room, so the client's writes wait";
const FRAMES_WAIT: &str = "frames wait in the queue of their connection, where `overflow` applies";

pub(super) const QUOTA_ROWS: &[LimitRow] = &[
    LimitRow {
        key: "connections",
        description: "connections at a time",
        host_default: None,
        tenant: TenantLimit::Described("half of `max_connections`"),
        plugin_may_set: true,
        on_reached: "503",
        metric: LIMITS_REACHED,
    },
    LimitRow {
        key: "handshakes_per_second",
        description: "handshakes in a second",
        host_default: None,
        tenant: TenantLimit::Default(|host| {
            format_default(host.default_tenant_quota().handshakes_per_second)
        }),
        plugin_may_set: true,
        on_reached: "503",
        metric: LIMITS_REACHED,
    },
    LimitRow {
        key: "instances",
        description: "running instances; an instance with several memories, or with more than \
                      four modules, counts as several; instances of workers and of moving \
                      consumers count, and are never refused",
        host_default: None,
        tenant: TenantLimit::Described("half of `max_connections`"),
        plugin_may_set: true,
        on_reached: "503",
        metric: LIMITS_REACHED,
    },
    LimitRow {
        key: "cpu",
        description: "running time of guests in a second",
        host_default: None,
        tenant: TenantLimit::Described("half of the time of all cores"),
        plugin_may_set: true,
        on_reached: "calls wait, and the host stops reading from their sockets",
        metric: LIMITS_REACHED,
    },
    LimitRow {
        key: "frames_in",
        description: "messages of clients in a second",
        host_default: None,
        tenant: TenantLimit::Default(|host| format_default(host.default_tenant_quota().frames_in)),
        plugin_may_set: true,
        on_reached: READING_PAUSES,
        metric: LIMITS_REACHED,
    },
    LimitRow {
        key: "bytes_in",
        description: "bytes of clients in a second",
        host_default: None,
        tenant: TenantLimit::Default(|host| format_default(host.default_tenant_quota().bytes_in)),
        plugin_may_set: true,
        on_reached: READING_PAUSES,
        metric: LIMITS_REACHED,
    },
    LimitRow {
        key: "frames_out",
        description: "frames to clients in a second",
        host_default: None,
        tenant: TenantLimit::Default(|host| format_default(host.default_tenant_quota().frames_out)),
        plugin_may_set: true,
        on_reached: FRAMES_WAIT,
        metric: LIMITS_REACHED,
    },
    LimitRow {
        key: "bytes_out",
        description: "bytes to clients in a second",
        host_default: None,
        tenant: TenantLimit::Default(|host| format_default(host.default_tenant_quota().bytes_out)),
        plugin_may_set: true,
        on_reached: FRAMES_WAIT,
        metric: LIMITS_REACHED,
    },
    LimitRow {
        key: "loads",
        description: "versions that are compiled and tried at a time, after an upload or a change of \
                      a file",
        host_default: None,
        tenant: TenantLimit::Default(|host| format_default(host.default_tenant_quota().loads)),
        plugin_may_set: true,
        on_reached: "the next version waits",
        metric: LIMITS_REACHED,
    },
    LimitRow {
        key: "deploys_per_minute",
        description: "uploads and changed files in a minute; as many at once",
        host_default: None,
        tenant: TenantLimit::Default(|host| {
            format_default(host.default_tenant_quota().deploys_per_minute)
        }),
        plugin_may_set: true,
        on_reached: "an upload gets 429 with `Retry-After`; a changed file is read later",
        metric: LIMITS_REACHED,
    },
    LimitRow {
        key: "keyvalue",
        description: "bytes of all buckets of `wasi:keyvalue`, with 128 bytes more for each entry",
        host_default: None,
        tenant: TenantLimit::Described("`quota` of `[keyvalue]`"),
        plugin_may_set: false,
        on_reached: "further entries are refused",
        metric: LIMITS_REACHED,
    },
];
