//! `narrowboat reload`

use super::CliError;
use super::arguments::ReloadArgs;
use super::client::{AdminClient, print_json};
use super::output::print_line;
use super::table;
use narrowboat_server::api::ConfigReloadResponse;

pub(super) fn run(arguments: &ReloadArgs) -> Result<(), CliError> {
    let client = AdminClient::new(&arguments.host)?;
    let answer: ConfigReloadResponse = client.post("/v1/reload", &serde_json::json!({}))?;
    if arguments.json {
        return print_json(&answer);
    }
    let ConfigReloadResponse {
        added,
        changed,
        removed,
        failed,
        restart_required,
        seconds_since_last_reload,
    } = answer;
    let kinds = [
        ("new tenants", added),
        ("changed", changed),
        ("gone", removed),
        ("plugins that are not served as wanted, for which the log has the reasons", failed),
        ("waits for a restart", restart_required),
    ];
    let mut told = false;
    for (what, names) in kinds.into_iter().filter(|(_, names)| !names.is_empty()) {
        told = true;
        print_line(format_args!("{what}: {}", names.join(", ")))?;
    }
    if !told {
        let since = table::format_duration(seconds_since_last_reload);
        print_line(format_args!("nothing has changed since the file was followed {since} ago"))?;
    }
    Ok(())
}
