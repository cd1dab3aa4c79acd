//! The clients. Each exchanges numbered messages with its consumer and with its group.

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

use super::clock::{BenchClock, ClockTime};
use super::delivery_tracker::{ConsumerAnswer, DeliveryTracker, GROUP_SIZE, RoundTripSample};
use crate::socket;

/// The number of concurrent handshakes.
const MAX_CONCURRENT_HANDSHAKES: usize = 32;

/// The number of clients with the same source address.
const CONNECTIONS_PER_SOURCE: usize = 20_000;

/// One client in this many is busy: it sends [`BUSY_FACTOR`] times as much. So an instance of its own soon gets a
/// hundred events.
const BUSY_EVERY: usize = 100;

/// The factor by which a busy client sends more.
const BUSY_FACTOR: u32 = 20;

/// The state that all clients share.
pub(crate) struct SwapClients {
    pub(crate) server: SocketAddr,
    pub(crate) path: String,
    /// The time between two messages of a client to its consumer.
    pub(crate) message_interval: Duration,
    /// The time between two messages of a client to its group.
    pub(crate) group_message_interval: Duration,
    pub(crate) clock: BenchClock,
    pub(crate) tracker: Mutex<DeliveryTracker>,
    /// Whether the clients have stopped sending.
    pub(crate) is_stopped: AtomicBool,
}

type ClientSocket = WebSocketStream<TcpStream>;

impl SwapClients {
    /// The deliveries of all clients. The lock is held only briefly.
    pub(crate) fn lock_tracker(&self) -> MutexGuard<'_, DeliveryTracker> {
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the connections and makes each consumer join its group.
    pub(crate) async fn open_connections(
        self: &Arc<Self>,
        count: usize,
    ) -> anyhow::Result<Vec<ClientSocket>> {
        let mut sockets: Vec<Option<ClientSocket>> = (0..count).map(|_| None).collect();
        let mut opening = JoinSet::new();
        for client in 0..count {
            if opening.len() >= MAX_CONCURRENT_HANDSHAKES
                && let Some(opened) = opening.join_next().await
            {
                let (client, socket): (usize, _) = opened??;
                sockets[client] = Some(socket);
            }
            let shared = Arc::clone(self);
            opening.spawn(async move {
                let socket = shared.connect_and_join(client).await;
                Ok::<_, anyhow::Error>((client, socket.with_context(|| format!("{client}"))?))
            });
        }
        while let Some(opened) = opening.join_next().await {
            let (client, socket) = opened??;
            sockets[client] = Some(socket);
        }
        Ok(sockets.into_iter().flatten().collect())
    }

    /// Opens one connection and waits for the reply, which shows that the consumer is in its group.
    async fn connect_and_join(&self, client: usize) -> anyhow::Result<ClientSocket> {
        let source = u8::try_from(client / CONNECTIONS_PER_SOURCE).context("too many clients")?;
        let source = Ipv4Addr::new(127, 0, 0, 1 + source);
        let mut socket = socket::connect_from(source, self.server, &self.path).await?;
        socket.send(text_message(format!("join bench{}", client / GROUP_SIZE))).await?;
        socket.send(text_message("joined".to_owned())).await?;
        match socket.next().await {
            Some(Ok(Message::Text(answer))) if answer.ends_with(" 2 joined") => Ok(socket),
            other => bail!("not joined: {other:?}"),
        }
    }

    /// Exchanges messages forever.
    pub(crate) async fn run_client(self: Arc<Self>, client: usize, socket: ClientSocket) {
        let mut exchange = ClientSession::new(&self, client);
        let how = match exchange.run_until_closed(&self, socket).await {
            Ok(how) => how,
            Err(error) => format!("{error:#}"),
        };
        self.lock_tracker().record_close(client, &how);
    }
}

/// The state of one client.
struct ClientSession {
    client: usize,
    message_interval: Duration,
    next_send: Instant,
    next_group_send: Instant,
    /// The number of events that the client sent to the consumer, including the one to join the group.
    sent_events: u64,
    sent_messages: u64,
    sent_group_messages: u64,
    /// For each numbered message in flight, the number of events up to and including it.
    in_flight: VecDeque<u64>,
    /// The number of group messages that arrived.
    received_group_messages: u64,
    /// The number of events that the consumer lost.
    lost_events: u64,
}

impl ClientSession {
    fn new(clients: &SwapClients, client: usize) -> Self {
        let busy = client.is_multiple_of(BUSY_EVERY);
        let message_interval =
            if busy { clients.message_interval / BUSY_FACTOR } else { clients.message_interval };
        let count = clients.lock_tracker().clients.len();
        // Spread the start times evenly, and put neighbours, which share a group, far apart.
        let part = |of: Duration| of.mul_f64((client * 7_919 % count) as f64 / count as f64);
        let now = Instant::now();
        Self {
            client,
            message_interval,
            next_send: now + part(message_interval),
            next_group_send: now + part(clients.group_message_interval),
            sent_events: 2,
            sent_messages: 0,
            sent_group_messages: 0,
            in_flight: VecDeque::new(),
            received_group_messages: 0,
            lost_events: 0,
        }
    }

    async fn run_until_closed(
        &mut self,
        clients: &SwapClients,
        mut socket: ClientSocket,
    ) -> anyhow::Result<String> {
        loop {
            let due = self.next_send.min(self.next_group_send);
            let sends = !clients.is_stopped.load(Ordering::Relaxed);
            tokio::select! {
                incoming = socket.next() => match incoming {
                    Some(Ok(Message::Text(text))) => self.handle_text(clients, &text)?,
                    Some(Ok(Message::Ping(_))) => socket.flush().await?,
                    Some(Ok(Message::Close(frame))) => return Ok(format!("closed: {frame:?}")),
                    Some(Ok(other)) => bail!("got {other:?}"),
                    Some(Err(error)) => return Err(error.into()),
                    None => return Ok("ended".to_owned()),
                },
                () = sleep_until(due), if sends => {
                    if self.next_send <= self.next_group_send {
                        self.send_message(clients, &mut socket).await?;
                    } else {
                        self.send_to_group(clients, &mut socket).await?;
                    }
                }
            }
        }
    }

    async fn send_message(
        &mut self,
        clients: &SwapClients,
        socket: &mut ClientSocket,
    ) -> Result<(), Error> {
        self.next_send += self.message_interval;
        self.sent_events += 1;
        self.sent_messages += 1;
        self.in_flight.push_back(self.sent_events);
        clients.lock_tracker().clients[self.client].sent_count = self.sent_messages;
        let now = clients.clock.now().as_nanos();
        socket.send(text_message(format!("m {} {now}", self.sent_messages))).await
    }

    async fn send_to_group(
        &mut self,
        clients: &SwapClients,
        socket: &mut ClientSocket,
    ) -> Result<(), Error> {
        let Self { client, .. } = *self;
        self.next_group_send += clients.group_message_interval;
        self.sent_events += 1;
        self.sent_group_messages += 1;
        clients.lock_tracker().clients[client].group_sent_count = self.sent_group_messages;
        let group = client / GROUP_SIZE;
        socket
            .send(text_message(format!(
                "group bench{group} g {client} {}",
                self.sent_group_messages
            )))
            .await
    }

    fn handle_text(&mut self, clients: &SwapClients, text: &str) -> anyhow::Result<()> {
        let words: Vec<&str> = text.split(' ').collect();
        match words[..] {
            ["g", member, number] => {
                self.received_group_messages += 1;
                let (member, number) = (member.parse()?, number.parse()?);
                clients.lock_tracker().record_group_message(self.client, member, number);
                Ok(())
            }
            [version, count, "m", number, sent] => {
                let (count, number) = (count.parse()?, number.parse()?);
                let trip = round_trip_since(clients.clock.now(), sent.parse()?);
                let answer =
                    ConsumerAnswer { version, event_count: count, number, round_trip: trip };
                let sent = self.in_flight.pop_front().context("an answer to nothing")?;
                let expected =
                    (sent + self.received_group_messages).saturating_sub(self.lost_events);
                self.lost_events +=
                    clients.lock_tracker().record_answer(self.client, &answer, expected);
                Ok(())
            }
            _ => bail!("got {text:?}"),
        }
    }
}

fn round_trip_since(now: ClockTime, sent: u64) -> RoundTripSample {
    let sent = Duration::from_nanos(sent);
    RoundTripSample { sent_at: sent, elapsed: now.saturating_sub(sent) }
}

fn text_message(text: String) -> Message {
    Message::Text(text.into())
}
