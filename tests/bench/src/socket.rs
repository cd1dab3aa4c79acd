//! WebSockets as the bench's own servers and clients open them.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures_util::StreamExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, accept_async_with_config, client_async_with_config};

/// Read buffer of a socket, in bytes: the library's own 128 KiB would be all that its idle
/// connections show. Narrowboat has as much.
const READ_BUFFER_BYTES: usize = 4 * 1024;

/// How long ports may take to be free again.
const PORT_RELEASE_TIMEOUT: Duration = Duration::from_secs(90);

/// A listener on a free port of the loopback.
pub(crate) async fn listen() -> anyhow::Result<TcpListener> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?)
}

/// The server's side of a handshake.
pub(crate) async fn accept(stream: TcpStream) -> Result<WebSocketStream<TcpStream>, Error> {
    stream.set_nodelay(true)?;
    accept_async_with_config(stream, Some(config())).await
}

/// The client's side of a handshake.
pub(crate) async fn connect(
    server: SocketAddr,
    path: &str,
) -> anyhow::Result<WebSocketStream<TcpStream>> {
    connect_from(Ipv4Addr::LOCALHOST, server, path).await
}

/// The same from another address of this machine, since each has but so many ports.
pub(crate) async fn connect_from(
    source: Ipv4Addr,
    server: SocketAddr,
    path: &str,
) -> anyhow::Result<WebSocketStream<TcpStream>> {
    let stream = connect_tcp(source, server).await.context("cannot connect")?;
    stream.set_nodelay(true)?;
    let request = format!("ws://{server}{path}");
    let handshake = client_async_with_config(request, stream, Some(config()));
    let (socket, _) = handshake.await.context("no handshake")?;
    Ok(socket)
}

/// Waits, where the ports of many that were closed are not free yet: they are after a minute.
async fn connect_tcp(source: Ipv4Addr, server: SocketAddr) -> std::io::Result<TcpStream> {
    let patience = Instant::now() + PORT_RELEASE_TIMEOUT;
    loop {
        let socket = TcpSocket::new_v4()?;
        if source != Ipv4Addr::LOCALHOST {
            socket.bind((source, 0).into())?;
        }
        match socket.connect(server).await {
            Err(error)
                if error.kind() == ErrorKind::AddrNotAvailable && Instant::now() < patience =>
            {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            reached => return reached,
        }
    }
}

/// Waits for a text, and for no other.
pub(crate) async fn expect_text(
    socket: &mut WebSocketStream<TcpStream>,
    text: &Utf8Bytes,
) -> anyhow::Result<()> {
    check_text(socket.next().await, text)
}

/// Whether what came is a text, and no other.
pub(crate) fn check_text(
    came: Option<Result<Message, Error>>,
    text: &Utf8Bytes,
) -> anyhow::Result<()> {
    match came {
        Some(Ok(Message::Text(echo))) if echo == *text => Ok(()),
        Some(Ok(other)) => bail!("sent {text:?}, got back {other:?}"),
        Some(Err(error)) => Err(error).context("no echo"),
        None => bail!("closed instead of an echo"),
    }
}

/// The closing handshake, to its end.
pub(crate) async fn close(mut socket: WebSocketStream<TcpStream>) -> anyhow::Result<()> {
    socket.close(None).await?;
    while let Some(message) = socket.next().await {
        message?;
    }
    Ok(())
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES)
}
