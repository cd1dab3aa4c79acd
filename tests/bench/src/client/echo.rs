//! The client under whose load servers are measured. It compares every echo with what it sent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use futures_util::SinkExt;
use serde::{Deserialize, Serialize};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::cpu::CpuTime;
use crate::limits::raise_file_limit;
use crate::socket;

/// How long opening the connections, and the last echoes, may take.
const PATIENCE: Duration = Duration::from_secs(10);

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
    /// Where the server listens
    #[arg(long)]
    server: SocketAddr,
    /// The path that echoes there
    #[arg(long)]
    path: String,
    /// The server's process
    #[arg(long)]
    pid: u32,
    #[command(flatten)]
    shape: Shape,
    /// Milliseconds of load before the measurement
    #[arg(long)]
    warm_up: u64,
    /// Milliseconds of the measurement
    #[arg(long)]
    measure: u64,
}

impl Arguments {
    fn duration(&self) -> Duration {
        Duration::from_millis(self.warm_up + self.measure)
    }
}

/// What the server did during the measurement.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Messages echoed.
    pub(crate) messages: u64,
    /// How long it took.
    pub(crate) elapsed: Duration,
    /// What the server's process took of the processors.
    pub(crate) cpu: CpuTime,
}

impl Measured {
    /// Messages a second.
    pub(crate) fn throughput(&self) -> f64 {
        self.messages as f64 / self.elapsed.as_secs_f64()
    }

    /// Microseconds of processor time a message.
    pub(crate) fn cpu_per_message(&self) -> f64 {
        self.cpu.total().as_secs_f64() * 1e6 / self.messages as f64
    }
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
        server: arguments.server,
        path: arguments.path.clone(),
        shape,
        echoes: (0..shape.connections).map(|_| AtomicU64::new(0)).collect(),
        stop: AtomicBool::new(false),
        open: Barrier::new(shape.connections + 1),
    });
    // Half of the cores for the client, and no thread of it waits for another.
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = (cores / 2).clamp(1, shape.connections);
    let deadline = arguments.duration() + PATIENCE;
    let clients: Vec<_> = (0..threads)
        .map(|thread| {
            let shared = Arc::clone(&shared);
            let indexes = (thread..shape.connections).step_by(threads);
            thread::spawn(move || client(&shared, indexes, deadline))
        })
        .collect();
    let measured = measure(arguments, &shared);
    shared.stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().map_err(|_| anyhow::anyhow!("a thread of the client panicked"))??;
    }
    measured
}

/// Watches the connections for the time of the measurement.
fn measure(arguments: &Arguments, shared: &Shared) -> anyhow::Result<Measured> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let all_open =
        runtime.block_on(async { tokio::time::timeout(PATIENCE, shared.open.wait()).await });
    all_open.context("not all connections opened")?;
    thread::sleep(Duration::from_millis(arguments.warm_up));
    let (began, cpu, before) = (Instant::now(), CpuTime::of(arguments.pid)?, shared.counts());
    thread::sleep(Duration::from_millis(arguments.measure));
    let (elapsed, cpu, after) =
        (began.elapsed(), CpuTime::of(arguments.pid)? - cpu, shared.counts());
    let mut messages = 0;
    for (index, (before, after)) in before.iter().zip(after).enumerate() {
        ensure!(after > *before, "connection {index} got no echo during the measurement");
        messages += after - before;
    }
    Ok(Measured { messages, elapsed, cpu })
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
        echoed += 1;
        shared.echoes[index].fetch_add(1, Ordering::Relaxed);
        if !shared.stop.load(Ordering::Relaxed) {
            socket.send(Message::Text(messages[sent % messages.len()].clone())).await?;
            sent += 1;
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
