//! The clients of rooms.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::socket;

/// The number of connections from one source address, which has fewer ports than a server can have connections.
const CONNECTIONS_PER_ADDRESS: usize = 10_000;

/// The connections that are opened at a time.
const OPENED_AT_ONCE: usize = 50;

/// A visitor of a room.
pub(super) struct RoomSocket(WebSocketStream<TcpStream>);

/// Clients that talk at a time, each on its part of the connections.
pub(super) struct Spreading {
    clients: usize,
}

/// Quantiles of times, in milliseconds.
pub(super) struct Quantiles {
    pub(super) p50: f64,
    pub(super) p99: f64,
}

impl RoomSocket {
    /// Opens the connection with this number.
    pub(super) async fn open(
        server: SocketAddr,
        number: usize,
        path: &str,
    ) -> anyhow::Result<Self> {
        let source = Ipv4Addr::new(127, 0, 0, 1 + (number / CONNECTIONS_PER_ADDRESS) as u8);
        Ok(Self(socket::connect_from(source, server, path).await?))
    }

    /// Opens connections, and lets each handle an event.
    pub(super) async fn open_all(
        server: SocketAddr,
        count: usize,
        path: impl Fn(usize) -> String,
    ) -> anyhow::Result<Vec<Self>> {
        let mut sockets = Vec::with_capacity(count);
        while sockets.len() < count {
            let next = sockets.len()..count.min(sockets.len() + OPENED_AT_ONCE);
            let opened = next.map(|number| {
                let path = path(number);
                async move {
                    let mut socket = Self::open(server, number, &path).await?;
                    socket.ask("get").await?;
                    anyhow::Ok(socket)
                }
            });
            sockets.extend(futures_util::future::try_join_all(opened).await?);
        }
        Ok(sockets)
    }

    /// Sends a text, and waits for the reply.
    pub(super) async fn ask(&mut self, text: &str) -> anyhow::Result<String> {
        self.0.send(Message::Text(text.into())).await?;
        loop {
            match self.0.next().await.context("the connection has ended")?? {
                Message::Text(reply) => return Ok(reply.as_str().to_owned()),
                Message::Ping(_) => {}
                other => bail!("{other:?} is no reply"),
            }
        }
    }

    pub(super) async fn close(self) -> anyhow::Result<()> {
        socket::close(self.0).await
    }
}

impl Spreading {
    pub(super) fn new(clients: usize) -> Self {
        Self { clients }
    }

    /// Lets each client ask on its connections in turn, for some time. Returns the number of replies.
    pub(super) async fn talk(
        &self,
        sockets: &mut [RoomSocket],
        time: Duration,
    ) -> anyhow::Result<u64> {
        let end = Instant::now() + time;
        let part = sockets.len().div_ceil(self.clients);
        let clients = sockets.chunks_mut(part).map(|own| async move {
            let mut count = 0;
            while Instant::now() < end {
                for socket in &mut *own {
                    socket.ask("get").await?;
                    count += 1;
                }
            }
            anyhow::Ok(count)
        });
        Ok(futures_util::future::try_join_all(clients).await?.into_iter().sum())
    }
}

/// The quantiles of times.
pub(super) fn find_quantiles(mut times: Vec<Duration>) -> Quantiles {
    times.sort_unstable();
    let at = |part: f64| {
        let index = (times.len() as f64 * part) as usize;
        times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    Quantiles { p50: at(0.5), p99: at(0.99) }
}
