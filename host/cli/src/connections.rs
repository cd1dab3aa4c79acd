//! `narrowboat connections`

use super::arguments::ConnectionsArgs;
use super::cli_error::CliError;
use super::client::{AdminClient, encode_path_segment};
use super::output::{print_json, print_line};
use super::table::{self, format_duration, tenant_label};
use narrowboat_server::api::{CloseRequest, ConnectionList};

pub(super) fn run(arguments: &ConnectionsArgs) -> Result<(), CliError> {
    let plugin = arguments.plugin.as_deref();
    let named =
        plugin.map(|plugin| AdminClient::for_plugin(&arguments.query.host, plugin)).transpose()?;
    let (client, plugin) = match named {
        Some((client, plugin)) => (client, Some(plugin)),
        None => (AdminClient::new(&arguments.query.host)?, None),
    };
    if let Some(channel) = &arguments.close {
        let close = CloseRequest { code: arguments.code, reason: arguments.reason.clone() };
        return client.post_without_reply(
            &format!("/v1/connections/{}/close", encode_path_segment(channel)),
            &close,
        );
    }
    let mut path = format!("/v1/connections?limit={}", arguments.limit);
    if let Some(plugin) = plugin {
        path += &format!("&plugin={}", encode_path_segment(plugin));
    }
    let response: ConnectionList = client.get(&path)?;
    if arguments.query.json {
        return print_json(&response);
    }
    let rows: Vec<_> = response
        .connections
        .iter()
        .map(|connection| {
            [
                connection.channel.clone(),
                tenant_label(&connection.tenant, &connection.plugin),
                connection.client.clone(),
                connection.path.clone(),
                format_duration(connection.age_seconds),
                table::format_bytes(connection.buffered_bytes),
            ]
        })
        .collect();
    table::print(["CHANNEL", "PLUGIN", "CLIENT", "PATH", "AGE", "BUFFERED"], &rows)?;
    let more = response.total.saturating_sub(rows.len() as u64);
    if more > 0 {
        print_line(format_args!("and {more} more; --limit shows them"))?;
    }
    Ok(())
}
