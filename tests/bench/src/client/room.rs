//! The members of a room: one of them publishes, and all count their deliveries.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::{Context, ensure};
use clap::Args;
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::LoadTarget;
use crate::file_limit::raise_file_limit;
use crate::measurement::Measurement;
use crate::socket;

/// The arguments of the members of a room.
#[derive(Args)]
pub(crate) struct RoomArgs {
    #[command(flatten)]
    target: LoadTarget,
    /// Number of members
    #[arg(long)]
    members: usize,
    /// Length of each text in bytes
    #[arg(long)]
    payload: usize,
    /// Number of texts in flight
    #[arg(long)]
    in_flight: usize,
}

/// Opens the members' connections and measures the deliveries.
pub(crate) fn run(arguments: &RoomArgs) -> anyhow::Result<Measurement> {
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(arguments))
}

/// The deliveries so far, and the permits to publish more.
struct RoomState {
    members: u64,
    delivery_count: AtomicU64,
    /// The permits for the publisher. A text returns its permit when all members have it.
    send_permits: Semaphore,
    connection_ended: AtomicBool,
}

impl RoomState {
    /// Counts a delivery. After as many deliveries as there are members, it permits the next text. So the number of
    /// texts in flight stays the same.
    fn record_delivery(&self) {
        let count = self.delivery_count.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_multiple_of(self.members) {
            self.send_permits.add_permits(1);
        }
    }
}

async fn measure(arguments: &RoomArgs) -> anyhow::Result<Measurement> {
    let RoomArgs { target, members, payload, in_flight } = arguments;
    let room = Arc::new(RoomState {
        members: *members as u64,
        delivery_count: AtomicU64::new(0),
        send_permits: Semaphore::new(*in_flight),
        connection_ended: AtomicBool::new(false),
    });
    let mut publisher = None;
    for _ in 0..*members {
        let (sender, mut member) =
            socket::connect(target.target_server.server, &target.target_server.path).await?.split();
        publisher = Some(sender);
        let room = Arc::clone(&room);
        tokio::spawn(async move {
            while let Some(Ok(_)) = member.next().await {
                room.record_delivery();
            }
            room.connection_ended.store(true, Ordering::Relaxed);
        });
    }
    let publisher = publisher.context("a room without members")?;
    let text = Message::text("x".repeat(*payload));
    let publishing = tokio::spawn(publish(publisher, text, Arc::clone(&room)));
    let measured = target.measure_count(|| room.delivery_count.load(Ordering::Relaxed)).await?;
    ensure!(
        !room.connection_ended.load(Ordering::Relaxed) && !publishing.is_finished(),
        "a connection ended"
    );
    Ok(measured)
}

/// Publishes a text for each permit.
async fn publish(
    mut publisher: SplitSink<WebSocketStream<TcpStream>, Message>,
    text: Message,
    room: Arc<RoomState>,
) -> anyhow::Result<()> {
    loop {
        room.send_permits.acquire().await?.forget();
        publisher.send(text.clone()).await?;
    }
}
