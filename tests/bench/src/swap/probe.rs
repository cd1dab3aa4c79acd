//! Probes: new connections that show which version the host serves.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use crate::socket;

/// The pause between two probes, so the probes are not a load themselves.
const PROBE_INTERVAL: Duration = Duration::from_millis(2);

/// The time limit for a version to appear.
const PROBE_TIMEOUT: Duration = Duration::from_secs(60);

/// Opens a connection and returns its version.
pub(crate) async fn probe_version(server: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut socket = socket::connect(server, path).await?;
    socket.send(Message::Text("which".into())).await?;
    let version = match socket.next().await {
        Some(Ok(Message::Text(text))) => {
            text.split(' ').next().map(str::to_owned).context("an empty answer")?
        }
        other => bail!("a new connection got {other:?}"),
    };
    socket::close(socket).await?;
    Ok(version)
}

/// Opens connections one after the other, until one gets the version.
pub(crate) async fn wait_for_version(
    server: SocketAddr,
    path: &str,
    name: &str,
) -> anyhow::Result<()> {
    let shown = async {
        while probe_version(server, path).await? != name {
            tokio::time::sleep(PROBE_INTERVAL).await;
        }
        Ok(())
    };
    tokio::time::timeout(PROBE_TIMEOUT, shown)
        .await
        .with_context(|| format!("version {name} did not appear"))?
}
