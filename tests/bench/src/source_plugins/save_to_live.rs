//! The time from a saved source to the first reply of the new code on an open connection.

use super::open_connection::time_changes;
use super::source_figure::SourceFigure;
use super::source_host::SourceHosts;

/// Changes a source under `serve` and under `dev`.
pub(super) fn measure(hosts: &SourceHosts<'_>, rounds: usize) -> anyhow::Result<Vec<SourceFigure>> {
    ["serve", "dev"].into_iter().map(|verb| measure_verb(hosts, rounds, verb)).collect()
}

fn measure_verb(
    hosts: &SourceHosts<'_>,
    rounds: usize,
    verb: &str,
) -> anyhow::Result<SourceFigure> {
    let versioned = hosts.language().versioned;
    let mut host = hosts.set_up(&format!("save-{verb}"), "")?;
    let source = host.add_plugin("echo", versioned, "")?;
    let server = host.start(verb)?;
    let times = time_changes(server.address(), "/echo/", rounds, |version| {
        source.replace_module(&versioned.replace("VERSION", version))
    })?;
    let title = format!("a saved source, to its first reply on an open connection, {verb}");
    Ok(SourceFigure::best(title, "ms", times)?.at_most(100.0))
}
