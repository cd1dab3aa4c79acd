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

use super::{PATIENCE, Whom};
use crate::limits::raise_file_limit;
use crate::memory::Memory;
use crate::socket;

/// Connections before the count begins, so that what the server makes once is not counted.
const BEFORE: usize = 100;

/// How long the server is left alone before its memory is read.
const SETTLE: Duration = Duration::from_secs(1);

/// Connections from one address.
const PORTS: usize = 10_000;

/// Which server to fill and how far.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    whom: Whom,
    /// Connections to open
    #[arg(long)]
    connections: usize,
    /// Length of the text that each echoes once, in bytes
    #[arg(long)]
    payload: usize,
}

/// What so many connections hold.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Held {
    /// How many were opened between the two looks.
    pub(crate) connections: usize,
    /// What the server had more at the second.
    pub(crate) growth: Memory,
}

/// Opens the connections, has each echo once, and looks at the server's memory.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Held> {
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let filled = tokio::time::timeout(PATIENCE, fill(arguments));
        filled.await.context("not all connections opened in time")?
    })
}

async fn fill(arguments: &Arguments) -> anyhow::Result<Held> {
    let mut sockets = Vec::new();
    open(arguments, BEFORE, &mut sockets).await?;
    tokio::time::sleep(SETTLE).await;
    let before = Memory::of(arguments.whom.pid)?;
    open(arguments, arguments.connections, &mut sockets).await?;
    tokio::time::sleep(SETTLE).await;
    let growth = Memory::of(arguments.whom.pid)?.since(&before);
    Ok(Held { connections: arguments.connections, growth })
}

async fn open(
    arguments: &Arguments,
    count: usize,
    sockets: &mut Vec<WebSocketStream<TcpStream>>,
) -> anyhow::Result<()> {
    let text: Utf8Bytes = "x".repeat(arguments.payload).into();
    for number in 0..count {
        // An address has fewer ports than a server may have connections.
        let source = Ipv4Addr::new(127, 0, 0, 1 + (number / PORTS) as u8);
        let mut socket =
            socket::connect_from(source, arguments.whom.server, &arguments.whom.path).await?;
        socket.send(Message::Text(text.clone())).await?;
        socket::expect(&mut socket, &text).await?;
        sockets.push(socket);
    }
    Ok(())
}
