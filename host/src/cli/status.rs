//! `narrowboat status`

use super::Failure;
use super::arguments::StatusArgs;
use super::client::{Client, print_json};
use super::table::{self, label, short, span};
use crate::api::Status;

pub(super) fn run(arguments: &StatusArgs) -> Result<(), Failure> {
    let client = Client::new(&arguments.host)?;
    let status: Status = client.get("/v1/status")?;
    if arguments.json {
        return print_json(&status);
    }
    let ready = if status.ready { "ready".to_owned() } else { status.missing.join(", ") };
    let (open, most) = (status.connections, status.max_connections);
    println!("up for {}, {ready}, {open} of {most} connections", span(status.uptime));
    if let Some(draining) = &status.draining {
        println!("draining: {} of {} connections are left", draining.left, draining.of);
    }
    println!();
    let plugins: Vec<_> = status
        .plugins
        .iter()
        .map(|plugin| {
            let trial = if plugin.on_trial { ", on trial" } else { "" };
            let pending = plugin.pending.as_deref().map(short);
            let pending = pending.map(|it| format!(", {it} pending")).unwrap_or_default();
            let mean = match plugin.events {
                0 => "-".to_owned(),
                events => {
                    format!("{:.1} µs", plugin.guest_seconds * 1_000_000.0 / events as f64)
                }
            };
            [
                label(&plugin.tenant, &plugin.name),
                format!("{}{trial}{pending}", short(&plugin.version)),
                plugin.isolation.clone(),
                plugin.connections.to_string(),
                plugin.events.to_string(),
                plugin.faults.to_string(),
                mean,
            ]
        })
        .collect();
    let head = ["PLUGIN", "VERSION", "ISOLATION", "CONNECTIONS", "EVENTS", "FAULTS", "A CALL"];
    table::print(head, &plugins);
    println!();
    let layers: Vec<_> = status
        .layers
        .iter()
        .map(|layer| {
            let reached = if layer.connected { "yes" } else { "no" };
            [
                label(&layer.tenant, &layer.name),
                reached.to_owned(),
                layer.waiting.to_string(),
                layer.dropped.to_string(),
                layer.lost.to_string(),
            ]
        })
        .collect();
    table::print(["LAYER", "REACHED", "WAITING", "DROPPED", "LOST"], &layers);
    Ok(())
}
