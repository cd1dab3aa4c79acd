//! `narrowboat status`

use super::arguments::StatusArgs;
use super::cli_error::CliError;
use super::client::AdminClient;
use super::output::{print_json, print_line};
use super::table::{self, format_duration, short_version, tenant_label};
use narrowboat_quota::LimitKind;
use narrowboat_server::api::{
    HostStatus, LayerInfo, LimitInfo, PluginInfo, TenantInfo, WorkerInfo,
};

pub(super) fn run(arguments: &StatusArgs) -> Result<(), CliError> {
    let client = AdminClient::new(&arguments.query.host)?;
    let status: HostStatus = client.get("/v1/status")?;
    if arguments.query.json {
        return print_json(&status);
    }
    print_summary(&status)?;
    print_line("")?;
    if let [_, _, ..] = &*status.tenants {
        print_tenants(&status.tenants)?;
    }
    print_plugins(&status.plugins)?;
    print_line("")?;
    print_settings(&status.plugins)?;
    print_reached_limits(&status)?;
    print_layers(&status.layers)?;
    print_workers(&status.workers)
}

fn print_summary(status: &HostStatus) -> Result<(), CliError> {
    let ready = if status.ready { "ready".to_owned() } else { status.not_ready_reasons.join(", ") };
    let (open, limit) = (status.connections, status.max_connections);
    let uptime = format_duration(status.uptime_seconds);
    print_line(format_args!("up for {uptime}, {ready}, {open} of {limit} connections"))?;
    for problem in &status.secret_problems {
        print_line(format_args!("{problem}; the host keeps the previous one, if there is one"))?;
    }
    if let Some(problem) = &status.keyvalue.problem {
        print_line(format_args!("the key-value store takes no writes: {problem}"))?;
    }
    match &status.draining {
        Some(drain) => print_line(format_args!(
            "draining: {} of {} connections are left",
            drain.remaining, drain.total
        )),
        None => Ok(()),
    }
}

fn print_plugins(plugins: &[PluginInfo]) -> Result<(), CliError> {
    let rows: Vec<_> = plugins.iter().map(plugin_row).collect();
    let head =
        ["PLUGIN", "VERSION", "ISOLATION", "CONNECTIONS", "EVENTS", "FAULTS", "MEAN CALL TIME"];
    table::print(head, &rows)
}

fn plugin_row(plugin: &PluginInfo) -> [String; 7] {
    let window = if plugin.in_rollback_window { ", in rollback window" } else { "" };
    let pending = plugin.pending.as_deref().map(short_version);
    let pending = pending.map(|it| format!(", {it} pending")).unwrap_or_default();
    let mean = match plugin.events {
        0 => "-".to_owned(),
        events => format!("{:.1} µs", plugin.guest_call_seconds * 1_000_000.0 / events as f64),
    };
    [
        tenant_label(&plugin.tenant, &plugin.name),
        format!("{}{window}{pending}", short_version(&plugin.version)),
        plugin.isolation.clone(),
        plugin.connections.to_string(),
        plugin.events.to_string(),
        plugin.faults.to_string(),
        mean,
    ]
}

/// Prints the settings of plugins. The host has put a placeholder in place of each secret.
fn print_settings(plugins: &[PluginInfo]) -> Result<(), CliError> {
    let rows = plugins.iter().flat_map(|plugin| {
        let label = tenant_label(&plugin.tenant, &plugin.name);
        // A value may have several lines.
        let row = move |(key, value): (&String, &String)| {
            [label.clone(), key.clone(), value.escape_debug().to_string()]
        };
        plugin.settings.iter().map(row)
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return Ok(());
    }
    table::print(["PLUGIN", "SETTING", "VALUE"], &rows)?;
    print_line("")
}

fn print_layers(layers: &[LayerInfo]) -> Result<(), CliError> {
    let rows: Vec<_> = layers.iter().map(layer_row).collect();
    table::print(["LAYER", "CONNECTED", "QUEUED", "DROPPED", "LOST"], &rows)
}

fn layer_row(layer: &LayerInfo) -> [String; 5] {
    let connected = if layer.connected { "yes" } else { "no" };
    [
        tenant_label(&layer.tenant, &layer.name),
        connected.to_owned(),
        layer.queued.to_string(),
        layer.dropped.to_string(),
        layer.lost.to_string(),
    ]
}

fn print_workers(workers: &[WorkerInfo]) -> Result<(), CliError> {
    if workers.is_empty() {
        return Ok(());
    }
    print_line("")?;
    let rows: Vec<_> = workers.iter().map(worker_row).collect();
    table::print(["WORKER", "PLUGIN", "SCHEDULE", "NEXT RUN", "LAST RUN", "MISSED"], &rows)
}

fn worker_row(worker: &WorkerInfo) -> [String; 6] {
    let none = || "-".to_owned();
    let channel = tenant_label(&worker.tenant, &worker.channel);
    let plugin = worker.plugin.clone();
    let Some(schedule) = &worker.schedule else {
        let ticks = worker.every.as_ref().map_or_else(none, |every| format!("every {every}"));
        return [channel, plugin, ticks, none(), none(), none()];
    };
    let last = schedule.last_run.as_ref();
    [
        channel,
        plugin,
        format!("{} {}", schedule.cron, schedule.timezone),
        schedule.next_run.clone().unwrap_or_else(none),
        last.map_or_else(none, |last| format!("{} {}", last.time, last.state)),
        schedule.missed.to_string(),
    ]
}

fn print_tenants(tenants: &[TenantInfo]) -> Result<(), CliError> {
    let rows: Vec<_> = tenants
        .iter()
        .map(|tenant| {
            let (open, most) = (tenant.connections, tenant.max_connections);
            [tenant.name.clone(), format!("{open} of {most}")]
        })
        .collect();
    table::print(["TENANT", "CONNECTIONS"], &rows)?;
    print_line("")
}

/// Prints the limits of the host, tenants and plugins that were reached.
fn print_reached_limits(status: &HostStatus) -> Result<(), CliError> {
    let host = ("host".to_owned(), &status.limits);
    let tenants = status.tenants.iter().map(|own| (format!("tenant {}", own.name), &own.limits));
    let plugins = status.plugins.iter().map(|own| {
        let label = tenant_label(&own.tenant, &own.name);
        (format!("plugin {label}"), &own.limits)
    });
    let all = [host].into_iter().chain(tenants).chain(plugins);
    let rows: Vec<_> = all.flat_map(|(of, limits)| reached_limit_rows(&of, limits)).collect();
    if rows.is_empty() {
        return Ok(());
    }
    table::print(["REACHED LIMIT", "OF", "USED NOW", "AT MOST", "TIMES REACHED"], &rows)?;
    print_line("")
}

fn reached_limit_rows(of: &str, limits: &[LimitInfo]) -> Vec<[String; 5]> {
    let reached = limits.iter().filter(|limit| limit.reached > 0);
    let row = |limit: &LimitInfo| {
        let amount = |amount: Option<u64>| match (amount, LimitKind::from_name(&limit.name)) {
            (None, _) => "-".to_owned(),
            (Some(amount), Some(kind)) => kind.format_amount(amount),
            (Some(amount), None) => amount.to_string(),
        };
        let (used, most) = (amount(limit.used), amount(limit.limit));
        [limit.name.clone(), of.to_owned(), used, most, limit.reached.to_string()]
    };
    reached.map(row).collect()
}
