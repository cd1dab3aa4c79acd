//! The memory of idle connections of a shared instance.

use super::source_figure::SourceFigure;
use super::source_host::SourceHosts;
use crate::client::idle::IdleMemory;
use crate::process;

/// The number of idle connections.
const CONNECTIONS: usize = 1_000;

/// Measures the anonymous memory of a connection that has echoed once.
pub(super) fn measure(hosts: &SourceHosts<'_>) -> anyhow::Result<Vec<SourceFigure>> {
    let mut host = hosts.set_up("idle", "")?;
    host.add_plugin("echo", hosts.language().echo, "isolation = \"shared\"")?;
    let server = host.start("serve")?;
    let mut client = process::role_command("idle")?;
    client.args(server.client_options()).args(["--path", "/echo/", "--payload", "64"]);
    client.arg("--connections").arg(CONNECTIONS.to_string());
    let memory: IdleMemory = process::run_client(client)?;
    let title =
        format!("anonymous memory of an idle connection, shared instance, {CONNECTIONS} of them");
    let anonymous = memory.kib_per_connection(memory.growth.total().anonymous);
    Ok(vec![SourceFigure::single(title, "KiB", anonymous).at_most(12.0)])
}
