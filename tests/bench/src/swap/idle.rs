//! Swaps on a host with few, idle connections.

use std::time::{Duration, Instant};

use clap::Args;
use tokio_tungstenite::tungstenite::Message;

use super::SwapTarget;
use super::component_file::ComponentFile;
use super::probe;
use super::version::VersionKind;
use crate::socket;
use futures_util::SinkExt;

/// The number of connections that stay open.
const OPEN_CONNECTIONS: usize = 8;

/// The pause before each swap.
const SWAP_INTERVAL: Duration = Duration::from_millis(700);

/// The arguments of the client on an idle host.
#[derive(Args)]
pub(crate) struct SwapIdleArgs {
    #[command(flatten)]
    target: SwapTarget,
    /// Number of swaps
    #[arg(long)]
    swaps: usize,
}

/// Swaps the plugin. Returns for each swap the milliseconds from the rename to the first reply of the new code on a new
/// connection.
pub(crate) fn run(arguments: &SwapIdleArgs) -> anyhow::Result<Vec<f64>> {
    let SwapIdleArgs { ref target, swaps } = *arguments;
    let mut maker = target.version_builder()?;
    let file = ComponentFile::new(target.file.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (server, path) = (target.server, target.path.as_str());
        let mut open = Vec::new();
        for _ in 0..OPEN_CONNECTIONS {
            let mut socket = socket::connect(server, path).await?;
            socket.send(Message::Text("here".into())).await?;
            open.push(socket);
        }
        let mut took = Vec::new();
        for _ in 0..swaps {
            tokio::time::sleep(SWAP_INTERVAL).await;
            let made = maker.build(VersionKind::Good);
            file.replace(&made.bytes)?;
            let renamed = Instant::now();
            probe::wait_for_version(server, path, &made.name).await?;
            took.push(renamed.elapsed().as_secs_f64() * 1e3);
        }
        Ok(took)
    })
}
