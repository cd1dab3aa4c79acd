//! Clients that ask a plugin to misbehave, again and again, until they are killed.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use futures_util::{SinkExt, StreamExt};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::socket;

/// How long an answer is waited for before the next word.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(200);

/// Whom to ask, and for what.
#[derive(Args)]
pub(crate) struct MisbehavingArgs {
    /// Where the server listens
    #[arg(long)]
    server: SocketAddr,
    /// The path of the plugin
    #[arg(long)]
    path: String,
    /// What each client says; without it they come and go
    #[arg(long)]
    word: Option<String>,
    /// Clients at a time
    #[arg(long)]
    clients: usize,
}

/// Goes on until the process is killed.
pub(crate) fn run(arguments: &MisbehavingArgs) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut clients = JoinSet::new();
        for _ in 0..arguments.clients {
            let MisbehavingArgs { server, path, word, .. } = arguments;
            let (server, path, word) = (*server, path.clone(), word.clone());
            clients.spawn(async move {
                loop {
                    // Being turned away or thrown out is what it deserves.
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
        // Whatever comes is read, and nothing is made of it.
        while let Ok(Some(message)) = timeout(ANSWER_TIMEOUT, socket.next()).await {
            if message?.is_text() {
                break;
            }
        }
    }
}
