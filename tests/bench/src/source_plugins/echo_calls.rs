//! The processor time of guest calls, without sockets.

use super::source_figure::SourceFigure;
use super::source_folder::SourceFolder;
use super::source_host::SourceHosts;
use crate::call::CallTimes;
use crate::process;

/// The length of the text of a call, in bytes.
const PAYLOAD: usize = 64;

/// Measures calls of a synchronous and of an asynchronous consumer, and the first call of an instance.
pub(super) fn measure(hosts: &SourceHosts<'_>, rounds: usize) -> anyhow::Result<Vec<SourceFigure>> {
    let language = hosts.language();
    let sync = time_calls(hosts, rounds, "sync", language.echo)?;
    let asynchronous = time_calls(hosts, rounds, "async", language.async_echo)?;
    let to_ms = |times: Vec<f64>| times.into_iter().map(|time| time / 1e3);
    Ok(vec![
        SourceFigure::median(
            "an echo of 64 B, synchronous consumer, CPU of a guest call",
            "µs",
            sync.call,
        )?
        .at_most(language.aims.call),
        SourceFigure::median(
            "an echo of 64 B, asynchronous consumer, CPU of a guest call",
            "µs",
            asynchronous.call,
        )?
        .at_most(language.aims.call),
        SourceFigure::median(
            "an instance made, loaded and dropped, CPU",
            "ms",
            to_ms(sync.instance),
        )?,
        SourceFigure::median(
            "an instance made, a connection accepted, and both dropped, CPU",
            "ms",
            to_ms(sync.first_connect),
        )?,
    ])
}

fn time_calls(
    hosts: &SourceHosts<'_>,
    rounds: usize,
    name: &str,
    module: &str,
) -> anyhow::Result<CallTimes> {
    let folder = hosts.site().create_folder(&format!("{}-calls", hosts.language().language))?;
    let bundle = SourceFolder::create(hosts.language(), &folder, name, module)?.write_bundle()?;
    let mut role = process::role_command("call")?;
    role.arg("--component").arg(bundle).arg("--cache").arg(hosts.cache());
    role.arg("--payload").arg(PAYLOAD.to_string()).arg("--rounds").arg(rounds.to_string());
    process::run_client(role)
}
