//! The client that opens connections and leaves them alone, to see what each holds.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use futures_util::SinkExt;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::{CLIENT_TIMEOUT, TargetServer};
use crate::file_limit::raise_file_limit;
use crate::memory::ProcessMemory;
use crate::socket;

/// Connections before the count begins, so that what the server makes once is not counted.
const WARM_UP_CONNECTIONS: usize = 100;

/// How long the server is left alone before its memory is read.
const SETTLE_TIME: Duration = Duration::from_secs(1);

/// Connections from one address.
const CONNECTIONS_PER_ADDRESS: usize = 10_000;

/// Which server to fill and how far.
#[derive(Args)]
pub(crate) struct IdleArgs {
    #[command(flatten)]
    target_server: TargetServer,
    /// Connections to open
    #[arg(long)]
    connections: usize,
    /// Length of the text that each echoes once, in bytes
    #[arg(long)]
    payload: usize,
}

/// What so many connections hold.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct IdleMemory {
    /// How many were opened between the two looks.
    pub(crate) connections: usize,
    /// What the server had more at the second.
    pub(crate) growth: ProcessMemory,
}

/// Opens the connections, has each echo once, and looks at the server's memory.
pub(crate) fn run(arguments: &IdleArgs) -> anyhow::Result<IdleMemory> {
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let filled = tokio::time::timeout(CLIENT_TIMEOUT, open_and_measure(arguments));
        filled.await.context("not all connections opened in time")?
    })
}

async fn open_and_measure(arguments: &IdleArgs) -> anyhow::Result<IdleMemory> {
    let mut sockets = Vec::new();
    open_connections(arguments, WARM_UP_CONNECTIONS, &mut sockets).await?;
    tokio::time::sleep(SETTLE_TIME).await;
    let before = ProcessMemory::of_process(arguments.target_server.pid)?;
    open_connections(arguments, arguments.connections, &mut sockets).await?;
    tokio::time::sleep(SETTLE_TIME).await;
    let growth = ProcessMemory::of_process(arguments.target_server.pid)?.growth_since(&before);
    Ok(IdleMemory { connections: arguments.connections, growth })
}

async fn open_connections(
    arguments: &IdleArgs,
    count: usize,
    sockets: &mut Vec<WebSocketStream<TcpStream>>,
) -> anyhow::Result<()> {
    let text: Utf8Bytes = "x".repeat(arguments.payload).into();
    for number in 0..count {
        // An address has fewer ports than a server may have connections.
        let source = Ipv4Addr::new(127, 0, 0, 1 + (number / CONNECTIONS_PER_ADDRESS) as u8);
        let mut socket = socket::connect_from(
            source,
            arguments.target_server.server,
            &arguments.target_server.path,
        )
        .await?;
        socket.send(Message::Text(text.clone())).await?;
        socket::expect_text(&mut socket, &text).await?;
        sockets.push(socket);
    }
    Ok(())
}
