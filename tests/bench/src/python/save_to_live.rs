//! The time from a saved source to the first reply of the new code on an open connection.

use super::open_connection::time_changes;
use super::python_figure::PythonFigure;
use super::python_host::PythonHosts;

/// The consumer of the version `VERSION`.
const VERSIONED: &str = r#"
from channels.generic.websocket import WebsocketConsumer


class VersionedConsumer(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        self.send("VERSION")
"#;

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
    let times = time_changes(server.address(), "/echo/", rounds, |version| {
        source.replace_module(&VERSIONED.replace("VERSION", version))
    })?;
    let title =
        format!("a saved source in Python, to its first reply on an open connection, {verb}");
    Ok(PythonFigure::best(title, "ms", times)?.at_most(100.0))
}
