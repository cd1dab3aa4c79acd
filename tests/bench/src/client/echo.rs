//! The client under whose load servers are measured. It compares every echo with what it sent.

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

use super::{PATIENCE, Target};
use crate::cpu::CpuTime;
use crate::limits::raise_file_limit;
use crate::measured::Measured;
use crate::socket;

/// Messages of one connection before they repeat.
const DIFFERENT: usize = 16;

/// What one load consists of.
#[derive(Debug, Clone, Copy, Args, Serialize)]
pub(crate) struct Shape {
    /// Connections at a time
    #[arg(long)]
    pub(crate) connections: usize,
    /// Length of a text message in bytes
    #[arg(long)]
    pub(crate) payload: usize,
    /// Messages a connection sends before it waits for an echo
    #[arg(long)]
    pub(crate) in_flight: usize,
}

/// What to load, how and for how long.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    shape: Shape,
}

/// What the client's threads have in common.
struct Shared {
    server: SocketAddr,
    path: String,
    shape: Shape,
    /// Echoes of each connection.
    echoes: Vec<AtomicU64>,
    stop: AtomicBool,
    /// Where all connections and the measuring thread meet once all are open.
    open: Barrier,
}

/// Loads the server and measures it.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Measured> {
    raise_file_limit();
    let shape = arguments.shape;
    ensure!(shape.connections > 0 && shape.in_flight > 0, "nothing to do");
    let shared = Arc::new(Shared {
        server: arguments.target.whom.server,
        path: arguments.target.whom.path.clone(),
        shape,
        echoes: (0..shape.connections).map(|_| AtomicU64::new(0)).collect(),
        stop: AtomicBool::new(false),
        open: Barrier::new(shape.connections + 1),
    });
    // Half of the cores for the client, and no thread of it waits for another.
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = (cores / 2).clamp(1, shape.connections);
    let deadline = arguments.target.duration() + PATIENCE;
    let clients: Vec<_> = (0..threads)
        .map(|thread| {
            let shared = Arc::clone(&shared);
            let indexes = (thread..shape.connections).step_by(threads);
            thread::spawn(move || client(&shared, indexes, deadline))
        })
        .collect();
    let measured = measure(&arguments.target, &shared);
    shared.stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().map_err(|_| anyhow::anyhow!("a thread of the client panicked"))??;
    }
    measured
}

/// Watches the connections for the time of the measurement.
fn measure(target: &Target, shared: &Shared) -> anyhow::Result<Measured> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let all_open =
        runtime.block_on(async { tokio::time::timeout(PATIENCE, shared.open.wait()).await });
    all_open.context("not all connections opened")?;
    thread::sleep(Duration::from_millis(target.warm_up));
    let (began, cpu, before) = (Instant::now(), CpuTime::of(target.whom.pid)?, shared.counts());
    thread::sleep(Duration::from_millis(target.measure));
    let (elapsed, cpu, after) =
        (began.elapsed(), CpuTime::of(target.whom.pid)? - cpu, shared.counts());
    let mut messages = 0;
    for (index, (before, after)) in before.iter().zip(after).enumerate() {
        ensure!(after > *before, "connection {index} got no echo during the measurement");
        messages += after - before;
    }
    Ok(Measured { messages, elapsed, cpu, latency: None })
}

impl Shared {
    fn counts(&self) -> Vec<u64> {
        self.echoes.iter().map(|echoes| echoes.load(Ordering::Relaxed)).collect()
    }
}

/// One thread of the client, with its part of the connections.
fn client(
    shared: &Arc<Shared>,
    indexes: impl Iterator<Item = usize>,
    deadline: Duration,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let all = async {
        let mut connections = JoinSet::new();
        for index in indexes {
            let shared = Arc::clone(shared);
            connections.spawn(async move {
                connection(&shared, index).await.with_context(|| format!("connection {index}"))
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

async fn connection(shared: &Shared, index: usize) -> anyhow::Result<()> {
    let mut socket = socket::connect(shared.server, &shared.path).await?;
    let messages = messages(index, shared.shape);
    shared.open.wait().await;
    let (mut sent, mut echoed) = (shared.shape.in_flight, 0);
    for message in &messages[..sent] {
        socket.feed(Message::Text(message.clone())).await?;
    }
    socket.flush().await?;
    while echoed < sent {
        socket::expect(&mut socket, &messages[echoed % messages.len()]).await?;
        let mut came = 1;
        // Those that came with it are answered together, as a client does that is not to be what is
        // measured.
        while echoed + came < sent
            && let Some(echo) = socket.next().now_or_never()
        {
            socket::check(echo, &messages[(echoed + came) % messages.len()])?;
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

/// Texts that no other connection sends, and no two of them the same.
fn messages(index: usize, shape: Shape) -> Vec<Utf8Bytes> {
    let text = |number: usize| {
        let text = format!("{index}/{number} ");
        text.chars().cycle().take(shape.payload).collect::<String>().into()
    };
    (0..shape.in_flight.max(DIFFERENT)).map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_differ_and_have_the_length_asked_for() {
        let shape = Shape { connections: 50, payload: 64, in_flight: 1 };
        let mut all: Vec<_> = (0..50).flat_map(|index| messages(index, shape)).collect();
        assert!(all.iter().all(|message| message.len() == 64));
        all.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        all.dedup();
        assert_eq!(all.len(), 50 * DIFFERENT);
    }
}
