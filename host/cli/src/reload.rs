//! `narrowboat reload`

use super::arguments::ReloadArgs;
use super::cli_error::CliError;
use super::client::AdminClient;
use super::output::{print_json, print_line};
use super::table;
use narrowboat_server::api::ConfigReloadResponse;

pub(super) fn run(arguments: &ReloadArgs) -> Result<(), CliError> {
    let client = AdminClient::new(&arguments.query.host)?;
    let response: ConfigReloadResponse = client.post("/v1/reload", &serde_json::json!({}))?;
    if arguments.query.json {
        return print_json(&response);
    }
    let ConfigReloadResponse {
        added,
        changed,
        removed,
        failed,
        restart_required,
        seconds_since_last_reload,
    } = response;
    let kinds = [
        ("added", added),
        ("changed", changed),
        ("removed", removed),
        ("failed plugins (see the log)", failed),
        ("restart required", restart_required),
    ];
    let mut has_changes = false;
    for (what, names) in kinds.into_iter().filter(|(_, names)| !names.is_empty()) {
        has_changes = true;
        print_line(format_args!("{what}: {}", names.join(", ")))?;
    }
    if !has_changes {
        let since = table::format_duration(seconds_since_last_reload);
        print_line(format_args!("no changes since the last reload {since} ago"))?;
    }
    Ok(())
}
