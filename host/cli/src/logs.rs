//! `narrowboat logs`

use super::Failure;
use super::arguments::LogsArgs;
use super::client::Client;
use super::deploy::encoded;
use super::output::print_line;
use narrowboat_server::api::LogLine;

pub(super) fn run(arguments: &LogsArgs) -> Result<(), Failure> {
    let plugin = arguments.plugin.as_deref();
    let named = plugin.map(|plugin| Client::of_plugin(&arguments.host, plugin)).transpose()?;
    let (client, plugin) = match named {
        Some((client, plugin)) => (client, Some(plugin)),
        None => (Client::new(&arguments.host)?, None),
    };
    let mut path = format!("/v1/logs?lines={}&follow={}", arguments.lines, arguments.follow);
    if let Some(plugin) = plugin {
        path += &format!("&plugin={}", encoded(plugin));
    }
    for line in client.lines(&path)? {
        let line = line?;
        let words = match serde_json::from_str(&line) {
            Ok(line) if !arguments.json => words(&line),
            _ => line,
        };
        print_line(words)?;
    }
    Ok(())
}

fn words(line: &LogLine) -> String {
    let LogLine { at, level, guest, tenant, plugin, version, connection, message, .. } = line;
    let mut words = format!("{at} {level:>5}");
    if let Some(plugin) = plugin {
        let tenant = tenant.as_ref().map(|tenant| format!("{tenant}/"));
        words += &format!(" {}{plugin}", tenant.unwrap_or_default());
    }
    if *guest {
        words += " (guest)";
    }
    words += &format!(": {message}");
    for (name, value) in [("version", version), ("connection", connection)] {
        if let Some(value) = value {
            words += &format!(" {name}={value}");
        }
    }
    words
}
