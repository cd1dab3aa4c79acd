//! The loop that joins a connection, a consumer and a mailbox: one event at a time into the guest,
//! its effects out. And workers, which have a mailbox alone.

mod abandon;
mod apply;
mod join;
mod moving;
mod order;
mod read_ahead;
mod roster;
mod seat;
mod shared;
mod worker;

use std::task::{Context, Poll};

use tokio::task::coop::consume_budget;
use tracing::{Span, info_span};

use narrowboat_channels::Delivery;
use narrowboat_core::fault::{ClientFault, Fault, GuestFault, HostFault};
use narrowboat_core::frame::Frame;
use narrowboat_core::log_target::TRACE;
use narrowboat_runtime::{Call, Hash, Returned};
use narrowboat_websocket::connection::{Alarm, Asked, Connection, End, Incoming, TimerId};
use read_ahead::ReadAhead;
use seat::Running;

pub use join::{Joined, Joining, Permits, join};
pub use order::Direction;
pub use roster::{Roster, Summary};
pub use worker::Worker;

/// Deliveries that are taken up before the socket is looked at again.
const DELIVERIES_IN_A_ROW: u32 = 32;

/// What a session does next.
enum Event {
    Frame(Frame),
    Delivery(Delivery),
    Timer(TimerId),
    /// An order lies ready: to move to another version, for one.
    Order,
    Shutdown,
    Closed(End),
}

impl From<Incoming> for Event {
    fn from(incoming: Incoming) -> Self {
        match incoming {
            Incoming::Frame(frame) => Self::Frame(frame),
            Incoming::Closed(end) => Self::Closed(end),
            Incoming::Summons => Self::Order,
            Incoming::Stop => Self::Shutdown,
        }
    }
}

impl Joined {
    /// Runs the session until the connection is over.
    pub fn run(self, connection: Connection) -> impl Future<Output = ()> + Send {
        let mut session = Session {
            joined: self,
            connection,
            read_ahead: ReadAhead::default(),
            alarm: None,
            ended: None,
            stopping: false,
            summoned: false,
            deliveries_in_a_row: 0,
        };
        async move {
            // Boxed, so that an open connection does not carry the room its end takes.
            match session.run().await {
                Over::Shutdown => Box::pin(session.shut_down()).await,
                Over::Closed(end) => Box::pin(session.end(end)).await,
            }
        }
    }
}

/// Logs how many consumers ended with their instance, so that their `disconnect` does not run.
fn tell_undone(plugin: &str, version: Option<Hash>, consumers: usize) {
    let version = version.as_ref().map(Hash::short);
    tracing::warn!(
        plugin,
        version,
        "the instance is gone; connections that end without `disconnect`: {consumers}"
    );
}

/// Why a session takes no more events.
enum Over {
    Shutdown,
    Closed(End),
}

struct Session {
    joined: Joined,
    connection: Connection,
    read_ahead: ReadAhead,
    alarm: Alarm,
    /// An end that came while the guest was busy.
    ended: Option<End>,
    /// The host began to stop while the guest was busy.
    stopping: bool,
    /// An order came while the guest was busy.
    summoned: bool,
    deliveries_in_a_row: u32,
}

impl Session {
    async fn run(&mut self) -> Over {
        let id = self.joined.id;
        if self.is_behind() {
            Box::pin(self.catch_up()).await;
        }
        loop {
            match self.next().await {
                Event::Frame(frame) => self.enter(Call::Receive(id, frame)).await,
                Event::Delivery(Delivery::Message(message)) => {
                    self.enter(Call::Handle(id, message)).await;
                }
                Event::Delivery(Delivery::Frame(frame)) => {
                    // At the bound the policy has acted; a refused frame is a lost delivery.
                    self.joined.link.push(frame);
                }
                Event::Timer(timer) => self.enter(Call::Timer(id, timer)).await,
                Event::Order => Box::pin(self.obey()).await,
                Event::Shutdown => return Over::Shutdown,
                Event::Closed(end) => return Over::Closed(end),
            }
            // A session that always finds something to do lets others run all the same.
            consume_budget().await;
        }
    }

    /// Waits for what is next. A connection that is closing takes no more events.
    async fn next(&mut self) -> Event {
        if std::mem::take(&mut self.summoned) {
            return Event::Order;
        }
        // What the peer sent before it left still counts.
        if !self.read_ahead.is_empty()
            && (self.peer_left() || !self.joined.link.outbound.is_closing())
            && let Some(frame) = self.read_ahead.pop()
        {
            return Event::Frame(frame);
        }
        if let Some(end) = self.ended.take() {
            return Event::Closed(end);
        }
        if self.stopping {
            return Event::Shutdown;
        }
        std::future::poll_fn(|cx| self.poll_event(cx)).await
    }

    /// Deliveries come first, so that what they have the guest say goes out in one write; but not so many
    /// in a row that the peer has to wait.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let Self { joined: Joined { link, mailbox, .. }, connection, alarm, .. } = self;
        let Asked { open, word } = connection.look();
        if let Some(word) = word {
            return Poll::Ready(word.into());
        }
        let in_turn = self.deliveries_in_a_row < DELIVERIES_IN_A_ROW;
        if open
            && in_turn
            && let Poll::Ready(delivery) = mailbox.poll_recv(cx)
        {
            self.deliveries_in_a_row += 1;
            return Poll::Ready(Event::Delivery(delivery));
        }
        self.deliveries_in_a_row = 0;
        if let Poll::Ready(incoming) = connection.poll_socket(cx, false, true) {
            return Poll::Ready(incoming.into());
        }
        if open && let Poll::Ready(timer) = link.timers.poll_due(cx, alarm) {
            return Poll::Ready(Event::Timer(timer));
        }
        if open && !in_turn {
            return mailbox.poll_recv(cx).map(Event::Delivery);
        }
        Poll::Pending
    }

    /// One call into the guest and what follows from it.
    async fn enter(&mut self, call: Call) {
        let span = self.span(&call);
        let calling = span.in_scope(|| self.joined.seat.call(call));
        let called = self.wait(calling).await;
        if !called.effects.is_empty() {
            span.in_scope(|| self.joined.outlet().apply(called.effects));
        }
        drop(span);
        match called.answer {
            Ok(Returned::ClientError(closure)) => {
                // The session's end tells the log.
                let fault = Fault::Client(ClientFault::Blamed(closure));
                self.joined.link.outbound.fail(fault);
                self.read_ahead = ReadAhead::default();
            }
            Ok(Returned::Unheard(error)) => {
                let (plugin, channel) = self.joined.names();
                tracing::debug!(
                    plugin,
                    channel,
                    "an error, but its client does not listen: {error}"
                );
                let outbound = &self.joined.link.outbound;
                outbound.fail(Fault::Client(ClientFault::Stalled(outbound.buffered())));
                self.read_ahead = ReadAhead::default();
            }
            Ok(_) => {}
            Err(GuestFault::Error(error)) if self.peer_left() => {
                let (plugin, channel) = self.joined.names();
                tracing::debug!(plugin, channel, "an error, but the client has left: {error:?}");
            }
            Err(fault) => {
                if let Some(call) = called.undone
                    && Box::pin(self.go_back(call, &fault)).await
                {
                    return;
                }
                self.joined.fail(Fault::Guest(fault));
                if self.joined.seat.is_own() && self.joined.seat.is_dead() {
                    let version = self.joined.seat.version().map(|version| version.digest());
                    tell_undone(self.joined.names().0, version, 1);
                }
                self.joined.seat.clear_dead();
                self.read_ahead = ReadAhead::default();
            }
        }
    }

    /// What a trace shows of a call and what follows from it.
    fn span(&self, call: &Call) -> Span {
        let (plugin, channel) = self.joined.names();
        match call {
            Call::Receive(_, frame) => {
                let bytes = frame.len();
                info_span!(target: TRACE, "receive", plugin, channel, bytes, otel.kind = "server")
            }
            Call::Handle(_, message) => {
                let kind = message.kind();
                info_span!(target: TRACE, "handle", plugin, channel, kind, otel.kind = "consumer")
            }
            Call::Timer(..) => info_span!(target: TRACE, "timer", plugin, channel),
            Call::Connect { .. } | Call::Disconnect(..) => Span::none(),
        }
    }

    /// Whether the peer ended the connection while the guest was busy, and not this side.
    fn peer_left(&self) -> bool {
        self.ended.as_ref().is_some_and(|end| !end.ours)
    }

    /// Goes on with the socket while work in the instance runs elsewhere.
    async fn attend<T>(&mut self, mut running: Running<T>) -> T {
        let (answer, instance) = loop {
            let hold = self.read_ahead.is_full();
            tokio::select! {
                biased;
                returned = &mut running => break returned,
                incoming = self.connection.next(hold), if self.ended.is_none() => match incoming {
                    Incoming::Frame(frame) => self.read_ahead.push(frame),
                    Incoming::Closed(end) => self.ended = Some(end),
                    Incoming::Summons => self.summoned = true,
                    Incoming::Stop => self.stopping = true,
                },
            }
        };
        self.joined.seat.put_back(instance);
        answer
    }

    /// The host is stopping: the consumer is told first, so that it may still say goodbye.
    async fn shut_down(mut self) {
        let closure = Fault::Host(HostFault::ShuttingDown).closure();
        self.joined.link.traffic.closures.by_host(closure.code);
        self.joined.disconnect(closure.clone()).await;
        let Self { joined, connection, .. } = self;
        let permits = joined.permits();
        // It leaves groups and channel now, and the socket when its peer is done with it.
        drop(joined);
        connection.finish(Some(closure)).await;
        drop(permits);
    }

    /// The connection is over: the consumer is told how.
    async fn end(self, end: End) {
        let (plugin, channel) = self.joined.names();
        tracing::debug!(plugin, channel, "connection over: {}", end.closure);
        let closures = &self.joined.link.traffic.closures;
        match end.ours || end.fault.is_some() {
            true => closures.by_host(end.closure.code),
            false => closures.by_client(end.closure.code),
        }
        let tell = match &end.fault {
            Some(fault @ Fault::Client(_)) => {
                self.joined.log(fault);
                Some(end.closure.clone())
            }
            _ => None,
        };
        let Self { mut joined, connection, .. } = self;
        let permits = joined.permits();
        let disconnecting = async move { joined.disconnect(end.closure).await };
        // A peer that broke a rule is told at once (RFC 6455 §7.1.7), and not when a busy instance is free.
        tokio::join!(connection.finish(tell), disconnecting);
        drop(permits);
    }
}
