//! The clients: each exchanges numbered messages with its consumer and with its group.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::clock::{Clock, Moment};
use super::ledger::{Answer, GROUP, Ledger, Trip};
use crate::socket;

/// Handshakes at a time.
const AT_ONCE: usize = 32;

/// Clients that one source address is enough for.
const PER_SOURCE: usize = 20_000;

/// One client in so many sends [`BUSY_FACTOR`] times as much, so that an instance of its own sees a
/// hundred events soon.
const BUSY_EVERY: usize = 100;

/// How much more a busy client sends.
const BUSY_FACTOR: u32 = 20;

/// What all clients have in common.
pub(crate) struct Clients {
    pub(crate) server: SocketAddr,
    pub(crate) path: String,
    /// Between two messages of a client to its consumer.
    pub(crate) pace: Duration,
    /// Between two of its messages to its group.
    pub(crate) group_pace: Duration,
    pub(crate) clock: Clock,
    pub(crate) ledger: Mutex<Ledger>,
    /// Nothing more is sent.
    pub(crate) stopped: AtomicBool,
}

type Socket = WebSocketStream<TcpStream>;

impl Clients {
    /// The ledger. Locked for moments only.
    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the connections and has each join its group.
    pub(crate) async fn open(self: &Arc<Self>, count: usize) -> anyhow::Result<Vec<Socket>> {
        let mut sockets: Vec<Option<Socket>> = (0..count).map(|_| None).collect();
        let mut opening = JoinSet::new();
        for client in 0..count {
            if opening.len() >= AT_ONCE
                && let Some(opened) = opening.join_next().await
            {
                let (client, socket): (usize, _) = opened??;
                sockets[client] = Some(socket);
            }
            let shared = Arc::clone(self);
            opening.spawn(async move {
                let socket = shared.join(client).await;
                Ok::<_, anyhow::Error>((client, socket.with_context(|| format!("{client}"))?))
            });
        }
        while let Some(opened) = opening.join_next().await {
            let (client, socket) = opened??;
            sockets[client] = Some(socket);
        }
        Ok(sockets.into_iter().flatten().collect())
    }

    /// One connection. When the answer comes the consumer is in its group.
    async fn join(&self, client: usize) -> anyhow::Result<Socket> {
        let source = u8::try_from(client / PER_SOURCE).context("too many clients")?;
        let source = Ipv4Addr::new(127, 0, 0, 1 + source);
        let mut socket = socket::connect_from(source, self.server, &self.path).await?;
        socket.send(text(format!("join bench{}", client / GROUP))).await?;
        socket.send(text("joined".to_owned())).await?;
        match socket.next().await {
            Some(Ok(Message::Text(answer))) if answer.ends_with(" 2 joined") => Ok(socket),
            other => bail!("not joined: {other:?}"),
        }
    }

    /// Exchanges messages, for ever.
    pub(crate) async fn run(self: Arc<Self>, client: usize, socket: Socket) {
        let mut exchange = Exchange::new(&self, client);
        let how = match exchange.go_on(&self, socket).await {
            Ok(how) => how,
            Err(error) => format!("{error:#}"),
        };
        self.ledger().closed(client, &how);
    }
}

/// What a client knows of its own exchange.
struct Exchange {
    client: usize,
    pace: Duration,
    next: Instant,
    next_for_group: Instant,
    /// Events the consumer has been sent, its joining included.
    sent: u64,
    numbered: u64,
    for_group: u64,
    /// Of each numbered message on its way, how many events had been sent with it.
    on_way: VecDeque<u64>,
    /// Messages of the group that came.
    relays: u64,
    /// Events that the consumer has lost.
    lost: u64,
}

impl Exchange {
    fn new(clients: &Clients, client: usize) -> Self {
        let busy = client.is_multiple_of(BUSY_EVERY);
        let pace = if busy { clients.pace / BUSY_FACTOR } else { clients.pace };
        let count = clients.ledger().pages.len();
        // Spread evenly, and neighbours, who share a group, far from each other.
        let part = |of: Duration| of.mul_f64((client * 7_919 % count) as f64 / count as f64);
        let now = Instant::now();
        Self {
            client,
            pace,
            next: now + part(pace),
            next_for_group: now + part(clients.group_pace),
            sent: 2,
            numbered: 0,
            for_group: 0,
            on_way: VecDeque::new(),
            relays: 0,
            lost: 0,
        }
    }

    async fn go_on(&mut self, clients: &Clients, mut socket: Socket) -> anyhow::Result<String> {
        loop {
            let due = self.next.min(self.next_for_group);
            let sends = !clients.stopped.load(Ordering::Relaxed);
            tokio::select! {
                incoming = socket.next() => match incoming {
                    Some(Ok(Message::Text(text))) => self.take(clients, &text)?,
                    Some(Ok(Message::Ping(_))) => socket.flush().await?,
                    Some(Ok(Message::Close(frame))) => return Ok(format!("closed: {frame:?}")),
                    Some(Ok(other)) => bail!("got {other:?}"),
                    Some(Err(error)) => return Err(error.into()),
                    None => return Ok("ended".to_owned()),
                },
                () = sleep_until(due), if sends => {
                    if self.next <= self.next_for_group {
                        self.send(clients, &mut socket).await?;
                    } else {
                        self.send_to_group(clients, &mut socket).await?;
                    }
                }
            }
        }
    }

    async fn send(&mut self, clients: &Clients, socket: &mut Socket) -> Result<(), Error> {
        self.next += self.pace;
        self.sent += 1;
        self.numbered += 1;
        self.on_way.push_back(self.sent);
        clients.ledger().pages[self.client].sent = self.numbered;
        let now = clients.clock.now().as_nanos();
        socket.send(text(format!("m {} {now}", self.numbered))).await
    }

    async fn send_to_group(&mut self, clients: &Clients, socket: &mut Socket) -> Result<(), Error> {
        let Self { client, .. } = *self;
        self.next_for_group += clients.group_pace;
        self.sent += 1;
        self.for_group += 1;
        clients.ledger().pages[client].sent_to_group = self.for_group;
        let group = client / GROUP;
        socket.send(text(format!("group bench{group} g {client} {}", self.for_group))).await
    }

    fn take(&mut self, clients: &Clients, text: &str) -> anyhow::Result<()> {
        let words: Vec<&str> = text.split(' ').collect();
        match words[..] {
            ["g", member, number] => {
                self.relays += 1;
                let (member, number) = (member.parse()?, number.parse()?);
                clients.ledger().relayed(self.client, member, number);
                Ok(())
            }
            [version, count, "m", number, sent] => {
                let (count, number) = (count.parse()?, number.parse()?);
                let trip = trip(clients.clock.now(), sent.parse()?);
                let answer = Answer { version, count, number, trip };
                let sent = self.on_way.pop_front().context("an answer to nothing")?;
                let expected = (sent + self.relays).saturating_sub(self.lost);
                self.lost += clients.ledger().answered(self.client, &answer, expected);
                Ok(())
            }
            _ => bail!("got {text:?}"),
        }
    }
}

fn trip(now: Moment, sent: u64) -> Trip {
    let sent = Duration::from_nanos(sent);
    Trip { sent, took: now.saturating_sub(sent) }
}

fn text(text: String) -> Message {
    Message::Text(text.into())
}
