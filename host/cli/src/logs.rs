//! `narrowboat logs`

use super::arguments::LogsArgs;
use super::cli_error::CliError;
use super::client::{AdminClient, encode_path_segment};
use super::output::print_line;
use narrowboat_server::api::LogLine;

pub(super) fn run(arguments: &LogsArgs) -> Result<(), CliError> {
    let plugin = arguments.plugin.as_deref();
    let named =
        plugin.map(|plugin| AdminClient::for_plugin(&arguments.host, plugin)).transpose()?;
    let (client, plugin) = match named {
        Some((client, plugin)) => (client, Some(plugin)),
        None => (AdminClient::new(&arguments.host)?, None),
    };
    let mut path = format!("/v1/logs?lines={}&follow={}", arguments.lines, arguments.follow);
    if let Some(plugin) = plugin {
        path += &format!("&plugin={}", encode_path_segment(plugin));
    }
    for line in client.stream_lines(&path)? {
        let line = line?;
        let text = match serde_json::from_str(&line) {
            Ok(line) if !arguments.json => format_line(&line),
            _ => line,
        };
        print_line(text)?;
    }
    Ok(())
}

fn format_line(line: &LogLine) -> String {
    let LogLine { timestamp, level, from_guest, tenant, plugin, version, channel, message, .. } =
        line;
    let mut text = format!("{timestamp} {level:>5}");
    if let Some(plugin) = plugin {
        let tenant = tenant.as_ref().map(|tenant| format!("{tenant}/"));
        text += &format!(" {}{plugin}", tenant.unwrap_or_default());
    }
    if *from_guest {
        text += " (guest)";
    }
    text += &format!(": {message}");
    for (name, value) in [("version", version), ("channel", channel)] {
        if let Some(value) = value {
            text += &format!(" {name}={value}");
        }
    }
    text
}
