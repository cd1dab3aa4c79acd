//! Echoes at a given rate, and how long each takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use futures_util::SinkExt;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::{PATIENCE, Target};
use crate::limits::raise_file_limit;
use crate::measured::{Latency, Measured};
use crate::socket;

/// Whom to load and how.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Connections at a time
    #[arg(long)]
    connections: usize,
    /// Length of a text in bytes
    #[arg(long)]
    payload: usize,
    /// Messages a second
    #[arg(long)]
    rate: u64,
}

/// What the connections have in common.
struct Shared {
    target: Target,
    text: Utf8Bytes,
    /// Between two messages of one connection.
    pause: Duration,
    echoes: AtomicU64,
    /// Times are taken.
    measuring: AtomicBool,
    stop: AtomicBool,
}

/// Measures.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Measured> {
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let all = measure(arguments);
    runtime.block_on(async {
        let limit = arguments.target.duration() + PATIENCE;
        tokio::time::timeout(limit, all).await.context("an echo did not come")?
    })
}

async fn measure(arguments: &Arguments) -> anyhow::Result<Measured> {
    let Arguments { target, connections, payload, rate } = arguments;
    let pause = Duration::from_secs_f64(*connections as f64 / *rate as f64);
    let shared = Arc::new(Shared {
        target: target.clone(),
        text: "x".repeat(*payload).into(),
        pause,
        echoes: AtomicU64::new(0),
        measuring: AtomicBool::new(false),
        stop: AtomicBool::new(false),
    });
    let mut clients = JoinSet::new();
    for index in 0..*connections {
        // Spread over the pause, so that they do not all send at once.
        let offset = pause.mul_f64(index as f64 / *connections as f64);
        clients.spawn(connection(Arc::clone(&shared), offset));
    }
    let watched = target.watch(|| {
        // Called at the beginning and at the end of the measurement.
        shared.measuring.fetch_xor(true, Ordering::Relaxed);
        shared.echoes.load(Ordering::Relaxed)
    });
    let measured = watched.await?;
    shared.stop.store(true, Ordering::Relaxed);
    let mut all = Vec::new();
    while let Some(ended) = clients.join_next().await {
        all.append(&mut ended??);
    }
    Ok(measured.with_latency(Latency::of(all)))
}

/// One connection; the nanoseconds of each echo in the measurement.
async fn connection(shared: Arc<Shared>, offset: Duration) -> anyhow::Result<Vec<u64>> {
    let mut socket = socket::connect(shared.target.whom.server, &shared.target.whom.path).await?;
    let mut took = Vec::new();
    let mut next = Instant::now() + offset;
    while !shared.stop.load(Ordering::Relaxed) {
        tokio::time::sleep_until(next).await;
        let sent = Instant::now();
        // A client that fell behind does not catch up in a burst.
        next = sent.max(next + shared.pause);
        socket.send(Message::Text(shared.text.clone())).await?;
        socket::expect(&mut socket, &shared.text).await?;
        shared.echoes.fetch_add(1, Ordering::Relaxed);
        if shared.measuring.load(Ordering::Relaxed) {
            took.push(u64::try_from(sent.elapsed().as_nanos())?);
        }
    }
    Ok(took)
}
