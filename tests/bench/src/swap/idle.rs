//! Swaps on a host with few connections and nothing to do.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use tokio_tungstenite::tungstenite::Message;

use super::file::Watched;
use super::probe;
use super::version::{Kind, Maker};
use crate::socket;
use futures_util::SinkExt;

/// Connections that stay open.
const OPEN: usize = 8;

/// How long the host is left alone before each swap.
const REST: Duration = Duration::from_millis(700);

/// Where the host is and what to swap.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Where the host listens
    #[arg(long)]
    server: SocketAddr,
    /// The host's process
    #[arg(long)]
    pid: u32,
    /// The route of the plugin
    #[arg(long)]
    path: String,
    /// The component to make versions of
    #[arg(long)]
    base: PathBuf,
    /// The file that the host watches
    #[arg(long)]
    file: PathBuf,
    /// Swaps
    #[arg(long)]
    swaps: usize,
}

/// Swaps; for each the milliseconds from the rename to the first new connection's answer by the new
/// code.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Vec<f64>> {
    let base = std::fs::read(&arguments.base);
    let mut maker = Maker::new(base.with_context(|| arguments.base.display().to_string())?)?;
    let file = Watched::new(arguments.file.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let Arguments { server, ref path, swaps, .. } = *arguments;
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
