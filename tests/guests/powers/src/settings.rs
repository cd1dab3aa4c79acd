//! The commands of the configuration.

use narrowboat_guest::config;

/// Runs a command and returns the reply. `None` if the command is another one.
pub(crate) fn run(command: &str, key: &str) -> Option<String> {
    Some(match command {
        // config KEY
        "config" => config::get(key).map_or("none".to_owned(), |value| format!("= {value}")),
        // configs: all keys
        "configs" => config::all().into_keys().collect::<Vec<_>>().join(" "),
        // number KEY
        "number" => match config::parse::<i64>(key) {
            Ok(Some(number)) => (number + 1).to_string(),
            Ok(None) => "none".to_owned(),
            Err(error) => format!("error: {error}"),
        },
        _ => return None,
    })
}
