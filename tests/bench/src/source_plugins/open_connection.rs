//! An open connection of the benchmark, which asks and gets answers.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::socket;

/// The pause between two questions, so that the questions are not a load themselves.
const PROBE_INTERVAL: Duration = Duration::from_millis(1);

/// The time limit for a route to be served, or for an answer to change. A crate is compiled in this time.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(180);

/// The pause before each change.
const SETTLE_TIME: Duration = Duration::from_millis(700);

/// An open connection.
pub(super) struct OpenConnection {
    socket: WebSocketStream<TcpStream>,
}

/// Runs the clients of a part on this thread.
pub(super) fn run_clients<T>(
    clients: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(clients)
}

/// Changes the source of the plugin at `path` in each round, and returns the times until the open connection answers with
/// the new version, in milliseconds. `change` gets the text that the version answers.
pub(super) fn time_changes(
    server: SocketAddr,
    path: &str,
    rounds: usize,
    change: impl Fn(&str) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<f64>> {
    run_clients(async {
        let mut connection = OpenConnection::open_when_served(server, path).await?;
        let mut times = Vec::new();
        for round in 0..rounds {
            tokio::time::sleep(SETTLE_TIME).await;
            let version = format!("version {round}");
            change(&version)?;
            times.push(connection.wait_for_answer("which", &version).await?);
        }
        Ok(times)
    })
}

impl OpenConnection {
    /// Connects.
    pub(super) async fn open(server: SocketAddr, path: &str) -> anyhow::Result<Self> {
        Ok(Self { socket: socket::connect(server, path).await? })
    }

    /// Connects as soon as the host serves the path.
    pub(super) async fn open_when_served(server: SocketAddr, path: &str) -> anyhow::Result<Self> {
        let patience = Instant::now() + CHANGE_TIMEOUT;
        loop {
            match Self::open(server, path).await {
                Err(_) if Instant::now() < patience => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                opened => return opened,
            }
        }
    }

    /// Sends a text and returns the answer.
    pub(super) async fn ask(&mut self, text: &str) -> anyhow::Result<String> {
        self.socket.send(Message::Text(text.into())).await?;
        match self.socket.next().await {
            Some(Ok(Message::Text(answer))) => Ok(answer.as_str().to_owned()),
            other => bail!("asked {text:?}, got {other:?}"),
        }
    }

    /// Asks until the answer is `wanted`. Returns the time in milliseconds.
    pub(super) async fn wait_for_answer(
        &mut self,
        text: &str,
        wanted: &str,
    ) -> anyhow::Result<f64> {
        let began = Instant::now();
        let asked = async {
            while self.ask(text).await? != wanted {
                tokio::time::sleep(PROBE_INTERVAL).await;
            }
            Ok(began.elapsed().as_secs_f64() * 1e3)
        };
        let answered = tokio::time::timeout(CHANGE_TIMEOUT, asked).await;
        answered.with_context(|| format!("no connection answered {wanted:?}"))?
    }
}
