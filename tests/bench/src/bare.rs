//! A bare tokio-tungstenite server, the upper limit for a server on this stack.

use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::file_limit::raise_file_limit;
use crate::output;
use crate::socket;

/// The capacity of one member's queue, in messages.
const MEMBER_QUEUE_CAPACITY: usize = 256;

/// The arguments of the bare server.
#[derive(Args)]
pub(crate) struct BareArgs {
    /// Send each text to all clients instead of back to its sender
    #[arg(long)]
    room: bool,
}

/// The queues of all clients. They share each message.
type RoomMembers = Arc<Mutex<Vec<Sender<Message>>>>;

/// Serves until the process is killed.
pub(crate) fn serve(arguments: &BareArgs) -> anyhow::Result<()> {
    raise_file_limit();
    let room = arguments.room;
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = socket::listen().await?;
        output::print_listening(listener.local_addr()?);
        let members = RoomMembers::default();
        loop {
            let (stream, _) = listener.accept().await?;
            let members = Arc::clone(&members);
            tokio::spawn(async move {
                let served = if room {
                    serve_room_member(stream, &members).await
                } else {
                    serve_echo(stream).await
                };
                if let Err(error) = served {
                    output::print_error(&error);
                }
            });
        }
    })
}

async fn serve_echo(stream: TcpStream) -> Result<(), Error> {
    let mut socket = socket::accept(stream).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            socket.send(message).await?;
        }
    }
    Ok(())
}

async fn serve_room_member(stream: TcpStream, members: &RoomMembers) -> Result<(), Error> {
    let mut socket = socket::accept(stream).await?;
    let (sender, mut queue) = mpsc::channel(MEMBER_QUEUE_CAPACITY);
    members.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(message) => broadcast(members, &message?),
                None => return Ok(()),
            },
            Some(message) = queue.recv() => write_batch(&mut socket, &mut queue, message).await?,
        }
    }
}

/// Queues a message for every connected client.
fn broadcast(members: &RoomMembers, message: &Message) {
    if message.is_text() {
        let mut members = members.lock().unwrap_or_else(PoisonError::into_inner);
        members.retain(|member| {
            !matches!(member.try_send(message.clone()), Err(mpsc::error::TrySendError::Closed(_)))
        });
    }
}

/// Writes a message, and all messages that were queued meanwhile.
async fn write_batch(
    socket: &mut WebSocketStream<TcpStream>,
    queue: &mut Receiver<Message>,
    message: Message,
) -> Result<(), Error> {
    socket.feed(message).await?;
    while let Ok(message) = queue.try_recv() {
        socket.feed(message).await?;
    }
    socket.flush().await
}
