//! Clients that ask a plugin to misbehave repeatedly, until the process is killed.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use futures_util::{SinkExt, StreamExt};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::socket;

/// The time to wait for a reply before the next command.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(200);

/// The arguments of the misbehaving clients.
#[derive(Args)]
pub(crate) struct MisbehavingArgs {
    /// Address of the server
    #[arg(long)]
    server: SocketAddr,
    /// Path of the plugin
    #[arg(long)]
    path: String,
    /// Command that each client sends; without it, clients only connect and disconnect
    #[arg(long)]
    word: Option<String>,
    /// Number of clients
    #[arg(long)]
    clients: usize,
}

/// Runs until the process is killed.
pub(crate) fn run(arguments: &MisbehavingArgs) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut clients = JoinSet::new();
        for _ in 0..arguments.clients {
            let MisbehavingArgs { server, path, word, .. } = arguments;
            let (server, path, word) = (*server, path.clone(), word.clone());
            clients.spawn(async move {
                loop {
                    // The host may refuse or close these connections, so errors are expected.
                    let _ = misbehave_once(server, &path, word.as_deref()).await;
                }
            });
        }
        while clients.join_next().await.is_some() {}
        Ok(())
    })
}

async fn misbehave_once(server: SocketAddr, path: &str, word: Option<&str>) -> anyhow::Result<()> {
    let connected = socket::connect(server, path).await;
    if connected.is_err() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut socket = connected?;
    let Some(word) = word else { return socket::close(socket).await };
    loop {
        socket.send(Message::text(word)).await?;
        // Read and ignore all replies.
        while let Ok(Some(message)) = timeout(ANSWER_TIMEOUT, socket.next()).await {
            if message?.is_text() {
                break;
            }
        }
    }
}
