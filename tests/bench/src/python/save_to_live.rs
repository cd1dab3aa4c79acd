//! The time from a saved source to the first reply of the new code on an open connection.

use std::net::SocketAddr;
use std::time::Duration;

use super::open_connection::{OpenConnection, run_clients};
use super::python_figure::PythonFigure;
use super::python_host::PythonHosts;
use super::source_folder::SourceFolder;

/// The consumer of the version `VERSION`.
const VERSIONED: &str = r#"
from channels.generic.websocket import WebsocketConsumer


class VersionedConsumer(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        self.send("VERSION")
"#;

/// The pause before each change.
const SETTLE_TIME: Duration = Duration::from_millis(700);

/// Changes a source under `serve` and under `dev`.
pub(super) fn measure(hosts: &PythonHosts<'_>, rounds: usize) -> anyhow::Result<Vec<PythonFigure>> {
    ["serve", "dev"].into_iter().map(|verb| measure_verb(hosts, rounds, verb)).collect()
}

fn measure_verb(
    hosts: &PythonHosts<'_>,
    rounds: usize,
    verb: &str,
) -> anyhow::Result<PythonFigure> {
    let mut host = hosts.set_up(&format!("save-{verb}"), "")?;
    let source = host.add_plugin("echo", VERSIONED, "")?;
    let server = host.start(verb)?;
    let times = run_clients(change_source(&source, server.address(), rounds))?;
    let title =
        format!("a saved source in Python, to its first reply on an open connection, {verb}");
    Ok(PythonFigure::best(title, "ms", times)?.at_most(100.0))
}

async fn change_source(
    source: &SourceFolder,
    server: SocketAddr,
    rounds: usize,
) -> anyhow::Result<Vec<f64>> {
    let mut connection = OpenConnection::open_when_served(server, "/echo/").await?;
    let mut times = Vec::new();
    for round in 0..rounds {
        tokio::time::sleep(SETTLE_TIME).await;
        let version = format!("version {round}");
        source.replace_module(&VERSIONED.replace("VERSION", &version))?;
        times.push(connection.wait_for_answer("which", &version).await?);
    }
    Ok(times)
}
