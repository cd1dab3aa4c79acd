//! Moves of the consumers of a shared instance to a new version.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};

use super::open_connection::{OpenConnection, run_clients};
use super::source_figure::SourceFigure;
use super::source_folder::SourceFolder;
use super::source_host::{SourceHost, SourceHosts};

/// The number of consumers.
const CONSUMERS: usize = 1_000;

/// The field of the log with the time of a move, in milliseconds.
const MAX_PAUSE: &str = " max_pause_ms=";

/// The time limit for the log of a move.
const MOVE_TIMEOUT: Duration = Duration::from_secs(60);

/// Saves new versions, and returns for how long each consumer was held up.
pub(super) fn measure(hosts: &SourceHosts<'_>, rounds: usize) -> anyhow::Result<Vec<SourceFigure>> {
    let mut host = hosts.set_up("moves", "")?;
    let source = host.add_plugin("room", hosts.language().room, "isolation = \"shared\"")?;
    let server = host.start("serve")?;
    let times = run_clients(move_consumers(&host, &source, server.address(), rounds))?;
    let title =
        format!("a move of {CONSUMERS} consumers with state and a set of all, each held up");
    Ok(vec![SourceFigure::best(title, "ms", times)?.at_most(40.0)])
}

async fn move_consumers(
    host: &SourceHost<'_>,
    source: &SourceFolder,
    server: SocketAddr,
    rounds: usize,
) -> anyhow::Result<Vec<f64>> {
    let mut open = Vec::new();
    for _ in 0..CONSUMERS {
        let mut connection = OpenConnection::open(server, "/room/").await?;
        connection.ask("hello").await?;
        open.push(connection);
    }
    let mut times = Vec::new();
    for round in 1..=rounds {
        let version = format!("v{round}");
        source.replace_module(&host.language().room.replace("v0", &version))?;
        times.push(wait_for_move(host, round).await?);
        let count = round + 1;
        for connection in &mut open {
            let answer = connection.ask("hello").await?;
            ensure!(
                answer == format!("{version} {count} {CONSUMERS}"),
                "state was lost in the move: {answer}"
            );
        }
    }
    Ok(times)
}

/// Waits until the log has this number of moves, and returns the time of the last one.
async fn wait_for_move(host: &SourceHost<'_>, moves: usize) -> anyhow::Result<f64> {
    let patience = Instant::now() + MOVE_TIMEOUT;
    while Instant::now() < patience {
        let log = host.read_log()?;
        if let Some(time) = log.split(MAX_PAUSE).nth(moves).and_then(leading_number) {
            return Ok(time);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bail!("the log {} has no move", host.log_file().display())
}

/// The number at the start of a text, if more text follows it.
fn leading_number(text: &str) -> Option<f64> {
    text.split_once(char::is_whitespace)?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_the_log_is_read_once_its_line_is_complete() {
        assert_eq!(leading_number("12.34\n"), Some(12.34));
        assert_eq!(leading_number("12.3"), None);
    }
}
