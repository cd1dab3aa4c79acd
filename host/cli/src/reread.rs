//! `narrowboat reread`

use super::Failure;
use super::arguments::RereadArgs;
use super::client::{Client, print_json};
use super::output::print_line;
use super::table;
use narrowboat_server::api::Reread;

pub(super) fn run(arguments: &RereadArgs) -> Result<(), Failure> {
    let client = Client::new(&arguments.host)?;
    let answer: Reread = client.post("/v1/reread", &serde_json::json!({}))?;
    if arguments.json {
        return print_json(&answer);
    }
    let Reread { added, changed, removed, failed, for_a_start, since } = answer;
    let kinds = [
        ("new tenants", added),
        ("changed", changed),
        ("gone", removed),
        ("plugins that are not served as wanted, for which the log has the reasons", failed),
        ("waits for a restart", for_a_start),
    ];
    let mut told = false;
    for (what, names) in kinds.into_iter().filter(|(_, names)| !names.is_empty()) {
        told = true;
        print_line(format_args!("{what}: {}", names.join(", ")))?;
    }
    if !told {
        let since = table::span(since);
        print_line(format_args!("nothing has changed since the file was followed {since} ago"))?;
    }
    Ok(())
}
