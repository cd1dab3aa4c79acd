//! The client for echo servers. It compares each echo with the text that it sent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use futures_util::{FutureExt, SinkExt, StreamExt};
use serde::Serialize;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::{CLIENT_TIMEOUT, LoadTarget};
use crate::cpu::CpuTime;
use crate::file_limit::raise_file_limit;
use crate::measurement::Measurement;
use crate::socket;

/// The number of different messages of a connection.
const DISTINCT_MESSAGES: usize = 16;

/// The size of the load.
#[derive(Debug, Clone, Copy, Args, Serialize)]
pub(crate) struct EchoLoad {
    /// Number of connections
    #[arg(long)]
    pub(crate) connections: usize,
    /// Length of each text in bytes
    #[arg(long)]
    pub(crate) payload: usize,
    /// Texts that a connection sends before it waits for an echo
    #[arg(long)]
    pub(crate) in_flight: usize,
}

/// The arguments of the echo client.
#[derive(Args)]
pub(crate) struct EchoArgs {
    #[command(flatten)]
    target: LoadTarget,
    #[command(flatten)]
    shape: EchoLoad,
}

/// The state that the threads of the client share.
struct EchoClientState {
    server: SocketAddr,
    path: String,
    load: EchoLoad,
    /// The number of echoes of each connection.
    echoes: Vec<AtomicU64>,
    stop: AtomicBool,
    /// The barrier at which all connections and the measuring thread wait until all connections are open.
    all_open: Barrier,
}

/// Puts the load on the server and measures it.
pub(crate) fn run(arguments: &EchoArgs) -> anyhow::Result<Measurement> {
    raise_file_limit();
    let shape = arguments.shape;
    ensure!(shape.connections > 0 && shape.in_flight > 0, "nothing to do");
    let shared = Arc::new(EchoClientState {
        server: arguments.target.target_server.server,
        path: arguments.target.target_server.path.clone(),
        load: shape,
        echoes: (0..shape.connections).map(|_| AtomicU64::new(0)).collect(),
        stop: AtomicBool::new(false),
        all_open: Barrier::new(shape.connections + 1),
    });
    // The client gets half of the cores. Each thread has its own runtime, so none waits for another.
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = (cores / 2).clamp(1, shape.connections);
    let deadline = arguments.target.total_duration() + CLIENT_TIMEOUT;
    let clients: Vec<_> = (0..threads)
        .map(|thread| {
            let shared = Arc::clone(&shared);
            let indexes = (thread..shape.connections).step_by(threads);
            thread::spawn(move || run_client_thread(&shared, indexes, deadline))
        })
        .collect();
    let measured = measure(&arguments.target, &shared);
    shared.stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().map_err(|_| anyhow::anyhow!("a thread of the client panicked"))??;
    }
    measured
}

/// Counts the echoes of all connections during the measurement.
fn measure(target: &LoadTarget, shared: &EchoClientState) -> anyhow::Result<Measurement> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let all_open = runtime
        .block_on(async { tokio::time::timeout(CLIENT_TIMEOUT, shared.all_open.wait()).await });
    all_open.context("not all connections opened")?;
    thread::sleep(Duration::from_millis(target.warm_up));
    let (began, cpu, before) =
        (Instant::now(), CpuTime::of_process(target.target_server.pid)?, shared.echo_counts());
    thread::sleep(Duration::from_millis(target.measure));
    let (elapsed, cpu, after) = (
        began.elapsed(),
        CpuTime::of_process(target.target_server.pid)? - cpu,
        shared.echo_counts(),
    );
    let mut messages = 0;
    for (index, (before, after)) in before.iter().zip(after).enumerate() {
        ensure!(after > *before, "connection {index} got no echo during the measurement");
        messages += after - before;
    }
    Ok(Measurement { messages, elapsed, cpu, latency: None })
}

impl EchoClientState {
    fn echo_counts(&self) -> Vec<u64> {
        self.echoes.iter().map(|echoes| echoes.load(Ordering::Relaxed)).collect()
    }
}

/// Runs one thread of the client, with its share of the connections.
fn run_client_thread(
    shared: &Arc<EchoClientState>,
    indexes: impl Iterator<Item = usize>,
    deadline: Duration,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let all = async {
        let mut connections = JoinSet::new();
        for index in indexes {
            let shared = Arc::clone(shared);
            connections.spawn(async move {
                run_connection(&shared, index).await.with_context(|| format!("connection {index}"))
            });
        }
        while let Some(ended) = connections.join_next().await {
            ended??;
        }
        Ok(())
    };
    runtime.block_on(async {
        tokio::time::timeout(deadline, all).await.context("a connection waits for an echo")?
    })
}

async fn run_connection(shared: &EchoClientState, index: usize) -> anyhow::Result<()> {
    let mut socket = socket::connect(shared.server, &shared.path).await?;
    let messages = distinct_messages(index, shared.load);
    shared.all_open.wait().await;
    let (mut sent, mut echoed) = (shared.load.in_flight, 0);
    for message in &messages[..sent] {
        socket.feed(Message::Text(message.clone())).await?;
    }
    socket.flush().await?;
    while echoed < sent {
        socket::expect_text(&mut socket, &messages[echoed % messages.len()]).await?;
        let mut came = 1;
        // Echoes that arrived together are handled together. This keeps the client cheap, because the server is
        // measured, not the client.
        while echoed + came < sent
            && let Some(echo) = socket.next().now_or_never()
        {
            socket::check_text(echo, &messages[(echoed + came) % messages.len()])?;
            came += 1;
        }
        echoed += came;
        shared.echoes[index].fetch_add(came as u64, Ordering::Relaxed);
        if !shared.stop.load(Ordering::Relaxed) {
            for _ in 0..came {
                socket.feed(Message::Text(messages[sent % messages.len()].clone())).await?;
                sent += 1;
            }
            socket.flush().await?;
        }
    }
    socket::close(socket).await
}

/// Creates the texts of one connection. All texts of all connections differ.
fn distinct_messages(index: usize, shape: EchoLoad) -> Vec<Utf8Bytes> {
    let text = |number: usize| {
        let text = format!("{index}/{number} ");
        text.chars().cycle().take(shape.payload).collect::<String>().into()
    };
    (0..shape.in_flight.max(DISTINCT_MESSAGES)).map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_differ_and_have_the_length_asked_for() {
        let shape = EchoLoad { connections: 50, payload: 64, in_flight: 1 };
        let mut all: Vec<_> = (0..50).flat_map(|index| distinct_messages(index, shape)).collect();
        assert!(all.iter().all(|message| message.len() == 64));
        all.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        all.dedup();
        assert_eq!(all.len(), 50 * DISTINCT_MESSAGES);
    }
}
