//! Limits of `[limits]` that tenants and plugins may narrow.

use super::limit_row::{LIMITS_REACHED, LimitRow, TenantLimit, format_default};

pub(super) const INHERITED_ROWS: &[LimitRow] = &[
    LimitRow {
        key: "memory",
        description: "bytes of linear memory of one instance",
        host_default: Some(|host| host.memory.to_string()),
        tenant: TenantLimit::AsHost,
        plugin_may_set: true,
        on_reached: "`memory.grow` fails",
        metric: LIMITS_REACHED,
    },
    LimitRow {
        key: "call_time",
        description: "running time of one event of a connection",
        host_default: Some(|host| host.call_time.to_string()),
        tenant: TenantLimit::AsHost,
        plugin_may_set: true,
        on_reached: "1011; the instance ends. Soon after a swap it goes back to the previous version \
                     instead, and a consumer that cannot go back gets 1012, see \
                     docs/explanation/what-a-swap-does.md",
        metric: "`guest_faults`",
    },
    LimitRow {
        key: "worker_time",
        description: "running time of a worker for one message",
        host_default: Some(|host| host.worker_time.to_string()),
        tenant: TenantLimit::AsHost,
        plugin_may_set: true,
        on_reached: "the message is lost; the instance ends",
        metric: "`guest_faults`",
    },
    LimitRow {
        key: "compile_time",
        description: "processor time of the compilation of one component, on all cores together; \
                      counts in whole seconds",
        host_default: Some(|host| host.compile_time.to_string()),
        tenant: TenantLimit::AsHost,
        plugin_may_set: true,
        on_reached: "the version is refused, and the live one serves on",
        metric: LIMITS_REACHED,
    },
    LimitRow {
        key: "compile_memory",
        description: "bytes of memory of the process that compiles one component",
        host_default: Some(|host| host.compile_memory.to_string()),
        tenant: TenantLimit::AsHost,
        plugin_may_set: true,
        on_reached: "the version is refused, and the live one serves on",
        metric: LIMITS_REACHED,
    },
    LimitRow {
        key: "timers",
        description: "pending timers of one connection",
        host_default: Some(|host| host.timers.to_string()),
        tenant: TenantLimit::AsHost,
        plugin_may_set: true,
        on_reached: "`set-timer` returns `other`",
        metric: LIMITS_REACHED,
    },
    LimitRow {
        key: "log_lines_per_second",
        description: "log lines of one version in a second, in the long run; five times as many \
                      at once",
        host_default: Some(|host| host.log_lines_per_second.to_string()),
        tenant: TenantLimit::AsHost,
        plugin_may_set: true,
        on_reached: "further lines are dropped, and the log says so once",
        metric: "`guest_log_lines_dropped`",
    },
    LimitRow {
        key: "snapshot",
        description: "bytes of the saved state of one consumer, or of a module, that moves to a \
                      new version",
        host_default: Some(|host| host.snapshot.to_string()),
        tenant: TenantLimit::AsHost,
        plugin_may_set: true,
        on_reached: "the consumer does not move: `on_failed_move`",
        metric: LIMITS_REACHED,
    },
    LimitRow {
        key: "total_snapshots",
        description: "bytes of all saved states for rollbacks, restarts and connections that hibernate",
        host_default: Some(|host| host.total_snapshots.to_string()),
        tenant: TenantLimit::Default(|host| {
            format_default(host.default_tenant_quota().total_snapshots)
        }),
        plugin_may_set: true,
        on_reached: "the consumer does not move: `on_failed_move`",
        metric: LIMITS_REACHED,
    },
    LimitRow {
        key: "total_memory",
        description: "bytes of linear memory of all instances together; an instance that starts \
                      with more than 1.5 MiB counts as it touches them; for plugins at the top of \
                      the file the first 1.5 MiB of a smaller one do not count; 0: half of the \
                      memory of the machine, or of the control group of the process",
        host_default: Some(|host| host.total_memory.to_string()),
        tenant: TenantLimit::Described("half of the host's"),
        plugin_may_set: true,
        on_reached: "`memory.grow` fails; 503 if an instance cannot start; 1013 or 1011 if it touches \
                     more, and the instance ends",
        metric: LIMITS_REACHED,
    },
    LimitRow {
        key: "http_requests",
        description: "HTTP requests over `wasi:http` that are open at a time",
        host_default: Some(|host| host.http_requests.to_string()),
        tenant: TenantLimit::Default(|host| {
            format_default(host.default_tenant_quota().http_requests)
        }),
        plugin_may_set: true,
        on_reached: "`connection-limit-reached`",
        metric: LIMITS_REACHED,
    },
    LimitRow {
        key: "connections_per_address",
        description: "connections at a time of one client address, or of one IPv6 network; 0: \
                      half of `max_connections`, and any number from a loopback address",
        host_default: Some(|host| host.connections_per_address.to_string()),
        tenant: TenantLimit::AsHost,
        plugin_may_set: true,
        on_reached: "429",
        metric: LIMITS_REACHED,
    },
    LimitRow {
        key: "groups",
        description: "groups that one connection is in",
        host_default: Some(|host| host.groups.to_string()),
        tenant: TenantLimit::AsHost,
        plugin_may_set: false,
        on_reached: "the connection does not join the group",
        metric: LIMITS_REACHED,
    },
];
