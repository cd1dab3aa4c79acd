//! The time of handshakes with an instance for each connection.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::open_connection::{OpenConnection, run_clients};
use super::source_figure::SourceFigure;
use super::source_host::SourceHosts;

/// The number of plugins. Each has one instance that is ready when its first connection comes, and four later.
const PLUGINS: usize = 10;

/// The pause after a connection. In it the host makes instances ready.
const SETTLE_TIME: Duration = Duration::from_millis(500);

/// Measures the first and the second connection of each plugin.
pub(super) fn measure(hosts: &SourceHosts<'_>) -> anyhow::Result<Vec<SourceFigure>> {
    let mut host = hosts.set_up("connects", "")?;
    for number in 0..PLUGINS {
        host.add_plugin(
            &format!("echo{number}"),
            hosts.language().echo,
            "isolation = \"connection\"",
        )?;
    }
    let server = host.start("serve")?;
    let first = run_clients(time_handshakes(server.address()))?;
    let second = run_clients(time_handshakes(server.address()))?;
    Ok(vec![
        SourceFigure::best(
            "the first handshake of a plugin with an instance for each connection",
            "ms",
            first,
        )?
        .at_most(hosts.language().aims.first_handshake),
        SourceFigure::best("a later handshake of such a plugin", "ms", second)?,
    ])
}

/// Connects to each plugin, and returns the milliseconds from the first packet to the 101.
async fn time_handshakes(server: SocketAddr) -> anyhow::Result<Vec<f64>> {
    let (mut times, mut open) = (Vec::new(), Vec::new());
    for number in 0..PLUGINS {
        let began = Instant::now();
        let mut connection = OpenConnection::open(server, &format!("/echo{number}/")).await?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
        connection.ask("hello").await?;
        open.push(connection);
        tokio::time::sleep(SETTLE_TIME).await;
    }
    Ok(times)
}
