//! `narrowboat connections`

use super::Failure;
use super::arguments::ConnectionsArgs;
use super::client::{Client, print_json};
use super::deploy::encoded;
use super::output::print_line;
use super::table::{self, label, span};
use narrowboat_server::api::{Close, Connections};

pub(super) fn run(arguments: &ConnectionsArgs) -> Result<(), Failure> {
    let plugin = arguments.plugin.as_deref();
    let named = plugin.map(|plugin| Client::of_plugin(&arguments.host, plugin)).transpose()?;
    let (client, plugin) = match named {
        Some((client, plugin)) => (client, Some(plugin)),
        None => (Client::new(&arguments.host)?, None),
    };
    if let Some(channel) = &arguments.close {
        let close = Close { code: arguments.code, reason: arguments.reason.clone() };
        return client.tell(&format!("/v1/connections/{}/close", encoded(channel)), &close);
    }
    let mut path = format!("/v1/connections?limit={}", arguments.limit);
    if let Some(plugin) = plugin {
        path += &format!("&plugin={}", encoded(plugin));
    }
    let answer: Connections = client.get(&path)?;
    if arguments.json {
        return print_json(&answer);
    }
    let rows: Vec<_> = answer
        .connections
        .iter()
        .map(|connection| {
            [
                connection.channel.clone(),
                label(&connection.tenant, &connection.plugin),
                connection.client.clone(),
                connection.path.clone(),
                span(connection.age),
                table::bytes(connection.buffered),
            ]
        })
        .collect();
    table::print(["CHANNEL", "PLUGIN", "CLIENT", "PATH", "AGE", "WAITING"], &rows)?;
    let more = answer.total.saturating_sub(rows.len() as u64);
    if more > 0 {
        print_line(format_args!("and {more} more; --limit shows them"))?;
    }
    Ok(())
}
