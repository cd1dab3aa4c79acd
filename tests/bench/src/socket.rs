//! The WebSockets of the benchmark's own servers and clients.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures_util::StreamExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, accept_async_with_config, client_async_with_config};

/// The read buffer of a socket, in bytes, as in Narrowboat. The library's default of 128 KiB would dominate the memory
/// of idle connections.
const READ_BUFFER_BYTES: usize = 4 * 1024;

/// The time limit for ports to become free again.
const PORT_RELEASE_TIMEOUT: Duration = Duration::from_secs(90);

/// Listens on a free port of the loopback address.
pub(crate) async fn listen() -> anyhow::Result<TcpListener> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?)
}

/// Runs the server side of a handshake.
pub(crate) async fn accept(stream: TcpStream) -> Result<WebSocketStream<TcpStream>, Error> {
    stream.set_nodelay(true)?;
    accept_async_with_config(stream, Some(config())).await
}

/// Runs the client side of a handshake.
pub(crate) async fn connect(
    server: SocketAddr,
    path: &str,
) -> anyhow::Result<WebSocketStream<TcpStream>> {
    connect_from(Ipv4Addr::LOCALHOST, server, path).await
}

/// Connects from another loopback address, because each address has a limited number of ports.
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

/// Connects, and waits while all ports are in use. Ports of closed connections become free after a minute.
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

/// Waits for exactly this text.
pub(crate) async fn expect_text(
    socket: &mut WebSocketStream<TcpStream>,
    text: &Utf8Bytes,
) -> anyhow::Result<()> {
    check_text(socket.next().await, text)
}

/// Checks that the received message is exactly this text.
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

/// Runs the closing handshake to its end.
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
