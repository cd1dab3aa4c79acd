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

use super::Target;
use crate::limits::raise_file_limit;
use crate::measured::Measured;
use crate::socket;

/// Whom to load and how.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
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
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Measured> {
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(arguments))
}

/// What has come, and leave to publish more.
struct Room {
    members: u64,
    count: AtomicU64,
    /// Texts that may be sent before others have come to everyone.
    leave: Semaphore,
    ended: AtomicBool,
}

impl Room {
    /// Counts a delivery. Who gets the last of a text's deliveries has the next one sent: none is lost, and
    /// none waits behind another for long.
    fn deliver(&self) {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_multiple_of(self.members) {
            self.leave.add_permits(1);
        }
    }
}

async fn measure(arguments: &Arguments) -> anyhow::Result<Measured> {
    let Arguments { target, members, payload, in_flight } = arguments;
    let room = Arc::new(Room {
        members: *members as u64,
        count: AtomicU64::new(0),
        leave: Semaphore::new(*in_flight),
        ended: AtomicBool::new(false),
    });
    let mut publisher = None;
    for _ in 0..*members {
        let (sender, mut member) =
            socket::connect(target.whom.server, &target.whom.path).await?.split();
        publisher = Some(sender);
        let room = Arc::clone(&room);
        tokio::spawn(async move {
            while let Some(Ok(_)) = member.next().await {
                room.deliver();
            }
            room.ended.store(true, Ordering::Relaxed);
        });
    }
    let publisher = publisher.context("a room without members")?;
    let text = Message::text("x".repeat(*payload));
    let publishing = tokio::spawn(publish(publisher, text, Arc::clone(&room)));
    let measured = target.watch(|| room.count.load(Ordering::Relaxed)).await?;
    ensure!(!room.ended.load(Ordering::Relaxed) && !publishing.is_finished(), "a connection ended");
    Ok(measured)
}

/// Sends when there is leave to.
async fn publish(
    mut publisher: SplitSink<WebSocketStream<TcpStream>, Message>,
    text: Message,
    room: Arc<Room>,
) -> anyhow::Result<()> {
    loop {
        room.leave.acquire().await?.forget();
        publisher.send(text.clone()).await?;
    }
}
