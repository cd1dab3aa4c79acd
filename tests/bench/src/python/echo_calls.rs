//! The processor time of guest calls, without sockets.

use super::python_figure::PythonFigure;
use super::python_host::PythonHosts;
use super::source_folder::{ECHO, SourceFolder};
use crate::call::CallTimes;
use crate::process;

/// The length of the text of a call, in bytes.
const PAYLOAD: usize = 64;

const ASYNC_ECHO: &str = "\
from channels.generic.websocket import AsyncWebsocketConsumer


class EchoConsumer(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data=text_data, bytes_data=bytes_data)
";

/// Measures calls of a synchronous and of an asynchronous consumer, and the first call of an instance.
pub(super) fn measure(hosts: &PythonHosts<'_>, rounds: usize) -> anyhow::Result<Vec<PythonFigure>> {
    let sync = time_calls(hosts, rounds, "sync", ECHO)?;
    let asynchronous = time_calls(hosts, rounds, "async", ASYNC_ECHO)?;
    let to_ms = |times: Vec<f64>| times.into_iter().map(|time| time / 1e3);
    Ok(vec![
        PythonFigure::median(
            "an echo of 64 B, synchronous consumer, CPU of a guest call",
            "µs",
            sync.call,
        )?
        .at_most(15.0),
        PythonFigure::median(
            "an echo of 64 B, asynchronous consumer, CPU of a guest call",
            "µs",
            asynchronous.call,
        )?
        .at_most(15.0),
        PythonFigure::median(
            "an instance made, loaded and dropped, CPU",
            "ms",
            to_ms(sync.instance),
        )?,
        PythonFigure::median(
            "an instance made, a connection accepted, and both dropped, CPU",
            "ms",
            to_ms(sync.first_connect),
        )?,
    ])
}

fn time_calls(
    hosts: &PythonHosts<'_>,
    rounds: usize,
    name: &str,
    module: &str,
) -> anyhow::Result<CallTimes> {
    let folder = hosts.site().create_folder("python-calls")?;
    let bundle = SourceFolder::create(&folder, name, module)?.write_bundle()?;
    let mut role = process::role_command("call")?;
    role.arg("--component").arg(bundle).arg("--cache").arg(hosts.cache());
    role.arg("--payload").arg(PAYLOAD.to_string()).arg("--rounds").arg(rounds.to_string());
    process::run_client(role)
}
