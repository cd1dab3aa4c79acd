//! The members of a room: one of them publishes, all count what they get.

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

/// Whom to load and how.
#[derive(Args)]
pub(crate) struct RoomArgs {
    #[command(flatten)]
    target: LoadTarget,
    /// Members of the room
    #[arg(long)]
    members: usize,
    /// Length of a text in bytes
    #[arg(long)]
    payload: usize,
    /// Texts that are on their way at once
    #[arg(long)]
    in_flight: usize,
}

/// Fills the room and measures what is delivered there.
pub(crate) fn run(arguments: &RoomArgs) -> anyhow::Result<Measurement> {
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(arguments))
}

/// What has come, and leave to publish more.
struct RoomState {
    members: u64,
    delivery_count: AtomicU64,
    /// Texts that may be sent before others have come to everyone.
    send_permits: Semaphore,
    connection_ended: AtomicBool,
}

impl RoomState {
    /// Counts a delivery. Who gets the last of a text's deliveries has the next one sent: none is lost, and
    /// none waits behind another for long.
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

/// Sends when there is leave to.
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
