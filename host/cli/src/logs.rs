//! `narrowboat logs`

use super::CliError;
use super::arguments::LogsArgs;
use super::client::AdminClient;
use super::deploy::encode_path_segment;
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
        let words = match serde_json::from_str(&line) {
            Ok(line) if !arguments.json => format_line(&line),
            _ => line,
        };
        print_line(words)?;
    }
    Ok(())
}

fn format_line(line: &LogLine) -> String {
    let LogLine { timestamp, level, from_guest, tenant, plugin, version, channel, message, .. } =
        line;
    let mut words = format!("{timestamp} {level:>5}");
    if let Some(plugin) = plugin {
        let tenant = tenant.as_ref().map(|tenant| format!("{tenant}/"));
        words += &format!(" {}{plugin}", tenant.unwrap_or_default());
    }
    if *from_guest {
        words += " (guest)";
    }
    words += &format!(": {message}");
    for (name, value) in [("version", version), ("channel", channel)] {
        if let Some(value) = value {
            words += &format!(" {name}={value}");
        }
    }
    words
}
