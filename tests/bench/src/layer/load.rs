//! The clients: one publishes, the others count deliveries.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use futures_util::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use tokio_tungstenite::tungstenite::Message;

use crate::cpu::CpuTime;
use crate::socket;

/// The load before the measurement.
const WARM_UP: Duration = Duration::from_millis(1_500);

#[derive(Args)]
pub(crate) struct LayerLoadArgs {
    /// URL of the publisher's server
    #[arg(long)]
    publisher: SocketAddr,
    /// URL of the members' server
    #[arg(long)]
    receiver: SocketAddr,
    /// Process ids of the servers
    #[arg(long, value_delimiter = ',')]
    pids: Vec<u32>,
    #[arg(long)]
    members: usize,
    #[arg(long)]
    in_flight: usize,
    #[arg(long)]
    payload: usize,
    /// Milliseconds of the measurement
    #[arg(long)]
    measure: u64,
}

/// The measurement of one round.
#[derive(Serialize, Deserialize)]
pub(crate) struct LayerMeasurement {
    deliveries: u64,
    seconds: f64,
    /// The CPU time of both servers, in seconds.
    cpu: f64,
}

impl LayerMeasurement {
    /// The deliveries per second.
    pub(crate) fn deliveries_per_second(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let deliveries = self.deliveries as f64;
        deliveries / self.seconds
    }

    /// The CPU time for each delivery, in microseconds.
    pub(crate) fn cpu_micros_per_delivery(&self) -> f64 {
        self.cpu * 1e6 / (self.deliveries_per_second() * self.seconds)
    }
}

pub(crate) fn run(arguments: &LayerLoadArgs) -> anyhow::Result<LayerMeasurement> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(arguments))
}

async fn measure(arguments: &LayerLoadArgs) -> anyhow::Result<LayerMeasurement> {
    const ROOM: &str = "/chat/bench/";
    let count = Arc::new(AtomicU64::new(0));
    let failed = Arc::new(AtomicBool::new(false));
    for _ in 0..arguments.members {
        let mut member = socket::connect(arguments.receiver, ROOM).await?;
        let (count, failed) = (Arc::clone(&count), Arc::clone(&failed));
        tokio::spawn(async move {
            while let Some(Ok(_)) = member.next().await {
                count.fetch_add(1, Ordering::Relaxed);
            }
            failed.store(true, Ordering::Relaxed);
        });
    }
    let publisher = socket::connect(arguments.publisher, ROOM).await?;
    let publishing = tokio::spawn(publish(publisher, arguments.in_flight, arguments.payload));
    tokio::time::sleep(WARM_UP).await;
    let before = (Instant::now(), count.load(Ordering::Relaxed), total_cpu_time(&arguments.pids)?);
    tokio::time::sleep(Duration::from_millis(arguments.measure)).await;
    let after = (Instant::now(), count.load(Ordering::Relaxed), total_cpu_time(&arguments.pids)?);
    if failed.load(Ordering::Relaxed) || publishing.is_finished() {
        bail!("a connection ended");
    }
    publishing.abort();
    Ok(LayerMeasurement {
        deliveries: after.1 - before.1,
        seconds: (after.0 - before.0).as_secs_f64(),
        cpu: (after.2 - before.2).as_secs_f64(),
    })
}

fn total_cpu_time(pids: &[u32]) -> anyhow::Result<Duration> {
    pids.iter().map(|pid| CpuTime::of_process(*pid).map(CpuTime::total)).sum()
}

/// Keeps a fixed number of messages in flight. The publisher is a member of the room too, and gets its own messages.
async fn publish(
    mut publisher: tokio_tungstenite::WebSocketStream<tokio::net::TcpStream>,
    in_flight: usize,
    payload: usize,
) -> anyhow::Result<()> {
    let text = Message::text("x".repeat(payload));
    for _ in 0..in_flight {
        publisher.send(text.clone()).await?;
    }
    loop {
        publisher.next().await.context("closed")??;
        publisher.send(text.clone()).await?;
    }
}
