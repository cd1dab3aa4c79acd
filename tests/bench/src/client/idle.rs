//! The client that opens idle connections, to measure the server's memory for each.

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

/// The connections before the measurement. With them, one-time allocations of the server are not counted.
const WARM_UP_CONNECTIONS: usize = 100;

/// The pause before the server's memory is read.
const SETTLE_TIME: Duration = Duration::from_secs(1);

/// The number of connections from one source address.
const CONNECTIONS_PER_ADDRESS: usize = 10_000;

/// The arguments of the idle client.
#[derive(Args)]
pub(crate) struct IdleArgs {
    #[command(flatten)]
    target_server: TargetServer,
    /// Number of connections to open
    #[arg(long)]
    connections: usize,
    /// Length of the text that each connection echoes once, in bytes
    #[arg(long)]
    payload: usize,
}

/// The memory that a number of connections use.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct IdleMemory {
    /// The number of connections that were opened between the two readings.
    pub(crate) connections: usize,
    /// The growth of the server's memory between the two readings.
    pub(crate) growth: ProcessMemory,
}

/// Opens the connections, sends one text on each, and reads the server's memory.
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
        // An address has fewer ports than a server can have connections.
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
