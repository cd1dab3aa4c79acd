//! Clients that send at a fixed rate and measure the latency of each echo.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use futures_util::SinkExt;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::{CLIENT_TIMEOUT, LoadTarget};
use crate::file_limit::raise_file_limit;
use crate::measurement::{LatencyQuantiles, Measurement};
use crate::socket;

/// The arguments of the clients with a fixed rate.
#[derive(Args)]
pub(crate) struct PacedArgs {
    #[command(flatten)]
    target: LoadTarget,
    /// Number of connections
    #[arg(long)]
    connections: usize,
    /// Length of each text in bytes
    #[arg(long)]
    payload: usize,
    /// Rate of all connections, in messages per second
    #[arg(long)]
    rate: u64,
}

/// The state that the connections share.
struct PacedClientState {
    target: LoadTarget,
    text: Utf8Bytes,
    /// The time between two messages of one connection.
    message_interval: Duration,
    echoes: AtomicU64,
    /// Whether the measurement is running.
    is_measuring: AtomicBool,
    stop: AtomicBool,
}

/// Runs the load and measures it.
pub(crate) fn run(arguments: &PacedArgs) -> anyhow::Result<Measurement> {
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let all = measure(arguments);
    runtime.block_on(async {
        let limit = arguments.target.total_duration() + CLIENT_TIMEOUT;
        tokio::time::timeout(limit, all).await.context("an echo did not come")?
    })
}

async fn measure(arguments: &PacedArgs) -> anyhow::Result<Measurement> {
    let PacedArgs { target, connections, payload, rate } = arguments;
    let pause = Duration::from_secs_f64(*connections as f64 / *rate as f64);
    let shared = Arc::new(PacedClientState {
        target: target.clone(),
        text: "x".repeat(*payload).into(),
        message_interval: pause,
        echoes: AtomicU64::new(0),
        is_measuring: AtomicBool::new(false),
        stop: AtomicBool::new(false),
    });
    let mut clients = JoinSet::new();
    for index in 0..*connections {
        // Spread the start times over one interval, so the connections do not all send at once.
        let offset = pause.mul_f64(index as f64 / *connections as f64);
        clients.spawn(run_connection(Arc::clone(&shared), offset));
    }
    let watched = target.measure_count(|| {
        // The count is read at the beginning and at the end of the measurement.
        shared.is_measuring.fetch_xor(true, Ordering::Relaxed);
        shared.echoes.load(Ordering::Relaxed)
    });
    let measured = watched.await?;
    shared.stop.store(true, Ordering::Relaxed);
    let mut all = Vec::new();
    while let Some(ended) = clients.join_next().await {
        all.append(&mut ended??);
    }
    Ok(measured.with_latency(LatencyQuantiles::from_nanos(all)))
}

/// Runs one connection. Returns the latency of each echo of the measurement, in nanoseconds.
async fn run_connection(
    shared: Arc<PacedClientState>,
    offset: Duration,
) -> anyhow::Result<Vec<u64>> {
    let mut socket =
        socket::connect(shared.target.target_server.server, &shared.target.target_server.path)
            .await?;
    let mut took = Vec::new();
    let mut next = Instant::now() + offset;
    while !shared.stop.load(Ordering::Relaxed) {
        tokio::time::sleep_until(next).await;
        let sent = Instant::now();
        // A client that is late does not send a burst to catch up.
        next = sent.max(next + shared.message_interval);
        socket.send(Message::Text(shared.text.clone())).await?;
        socket::expect_text(&mut socket, &shared.text).await?;
        shared.echoes.fetch_add(1, Ordering::Relaxed);
        if shared.is_measuring.load(Ordering::Relaxed) {
            took.push(u64::try_from(sent.elapsed().as_nanos())?);
        }
    }
    Ok(took)
}
