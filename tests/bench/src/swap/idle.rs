//! Swaps on a host with few connections and nothing to do.

use std::time::{Duration, Instant};

use clap::Args;
use tokio_tungstenite::tungstenite::Message;

use super::Target;
use super::file::Watched;
use super::probe;
use super::version::Kind;
use crate::socket;
use futures_util::SinkExt;

/// Connections that stay open.
const OPEN: usize = 8;

/// How long the host is left alone before each swap.
const REST: Duration = Duration::from_millis(700);

/// Where the host is and what to swap.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Swaps
    #[arg(long)]
    swaps: usize,
}

/// Swaps; for each the milliseconds from the rename to the first new connection's answer by the new
/// code.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Vec<f64>> {
    let Arguments { ref target, swaps } = *arguments;
    let mut maker = target.maker()?;
    let file = Watched::new(target.file.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (server, path) = (target.server, target.path.as_str());
        let mut open = Vec::new();
        for _ in 0..OPEN {
            let mut socket = socket::connect(server, path).await?;
            socket.send(Message::Text("here".into())).await?;
            open.push(socket);
        }
        let mut took = Vec::new();
        for _ in 0..swaps {
            tokio::time::sleep(REST).await;
            let made = maker.make(Kind::Good);
            file.replace(&made.bytes)?;
            let renamed = Instant::now();
            probe::until(server, path, &made.name).await?;
            took.push(renamed.elapsed().as_secs_f64() * 1e3);
        }
        Ok(took)
    })
}
