//! The loop that joins a connection, a consumer and a mailbox: one event at a time into the guest,
//! its effects out. And workers, which have a mailbox alone.

mod connect;
mod disconnect;
mod effect_applier;
mod instance_binding;
mod instance_registry;
mod migration;
mod owner_command;
mod read_ahead;
mod shared;
mod worker;

use std::task::{Context, Poll};

use tokio::task::coop::consume_budget;
use tracing::{Span, info_span};

use instance_binding::CallFuture;
use narrowboat_channels::Delivery;
use narrowboat_core::fault::{ClientFault, Fault, GuestFault, HostFault};
use narrowboat_core::frame::Frame;
use narrowboat_core::log_target::TRACE;
use narrowboat_runtime::{Call, GuestReply, Sha256Digest};
use narrowboat_websocket::connection::{
    Connection, ConnectionEnd, ConnectionEvent, ControlState, NextTimer, ReadMode, TimerId,
};
use read_ahead::ReadAhead;

pub use connect::{AcceptedConsumer, ConnectOutcome, Permits, connect_consumer};
pub use instance_registry::{InstanceRegistry, MigrationSummary};
pub use owner_command::Direction;
pub use worker::Worker;

/// Deliveries that are taken up before the socket is looked at again.
const MAX_CONSECUTIVE_DELIVERIES: u32 = 32;

/// What a session does next.
enum SessionEvent {
    Frame(Frame),
    Delivery(Delivery),
    Timer(TimerId),
    /// An order lies ready: to move to another version, for one.
    Command,
    Shutdown,
    Closed(ConnectionEnd),
}

impl From<ConnectionEvent> for SessionEvent {
    fn from(incoming: ConnectionEvent) -> Self {
        match incoming {
            ConnectionEvent::Message(frame) => Self::Frame(frame),
            ConnectionEvent::Closed(end) => Self::Closed(end),
            ConnectionEvent::CommandPending => Self::Command,
            ConnectionEvent::Stop => Self::Shutdown,
        }
    }
}

impl AcceptedConsumer {
    /// Runs the session until the connection is over.
    pub fn run(self, connection: Connection) -> impl Future<Output = ()> + Send {
        let mut session = Session {
            consumer: self,
            connection,
            read_ahead: ReadAhead::default(),
            next_timer: None,
            pending_end: None,
            shutdown_pending: false,
            command_pending: false,
            consecutive_deliveries: 0,
        };
        async move {
            // Boxed, so that an open connection does not carry the room its end takes.
            match session.run().await {
                SessionEnd::Shutdown => Box::pin(session.shut_down()).await,
                SessionEnd::Closed(end) => Box::pin(session.handle_closed(end)).await,
            }
        }
    }
}

/// Logs how many consumers ended with their instance, so that their `disconnect` does not run.
fn log_skipped_disconnects(plugin: &str, version: Option<Sha256Digest>, consumers: usize) {
    let version = version.as_ref().map(Sha256Digest::short_hex);
    tracing::warn!(
        plugin,
        version,
        "the instance is gone; connections that end without `disconnect`: {consumers}"
    );
}

/// Why a session takes no more events.
enum SessionEnd {
    Shutdown,
    Closed(ConnectionEnd),
}

struct Session {
    consumer: AcceptedConsumer,
    connection: Connection,
    read_ahead: ReadAhead,
    next_timer: NextTimer,
    /// An end that came while the guest was busy.
    pending_end: Option<ConnectionEnd>,
    /// The host began to stop while the guest was busy.
    shutdown_pending: bool,
    /// An order came while the guest was busy.
    command_pending: bool,
    consecutive_deliveries: u32,
}

impl Session {
    async fn run(&mut self) -> SessionEnd {
        let id = self.consumer.id;
        if self.is_outdated() {
            Box::pin(self.migrate_to_live()).await;
        }
        loop {
            match self.next_event().await {
                SessionEvent::Frame(frame) => self.call_guest(Call::Receive(id, frame)).await,
                SessionEvent::Delivery(Delivery::Message(message)) => {
                    self.call_guest(Call::Handle(id, message)).await;
                }
                SessionEvent::Delivery(Delivery::Frame(frame)) => {
                    // At the bound the policy has acted; a refused frame is a lost delivery.
                    self.consumer.control.push(frame);
                }
                SessionEvent::Timer(timer) => self.call_guest(Call::Timer(id, timer)).await,
                SessionEvent::Command => Box::pin(self.run_pending_command()).await,
                SessionEvent::Shutdown => return SessionEnd::Shutdown,
                SessionEvent::Closed(end) => return SessionEnd::Closed(end),
            }
            // A session that always finds something to do lets others run all the same.
            consume_budget().await;
        }
    }

    /// Waits for what is next. A connection that is closing takes no more events.
    async fn next_event(&mut self) -> SessionEvent {
        if std::mem::take(&mut self.command_pending) {
            return SessionEvent::Command;
        }
        // What the peer sent before it left still counts.
        if !self.read_ahead.is_empty()
            && (self.has_peer_left() || !self.consumer.control.outbound.is_closing())
            && let Some(frame) = self.read_ahead.pop()
        {
            return SessionEvent::Frame(frame);
        }
        if let Some(end) = self.pending_end.take() {
            return SessionEvent::Closed(end);
        }
        if self.shutdown_pending {
            return SessionEvent::Shutdown;
        }
        std::future::poll_fn(|cx| self.poll_event(cx)).await
    }

    /// Deliveries come first, so that what they have the guest say goes out in one write; but not so many
    /// in a row that the peer has to wait.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<SessionEvent> {
        let Self {
            consumer: AcceptedConsumer { control: link, mailbox, .. },
            connection,
            next_timer: alarm,
            ..
        } = self;
        let ControlState { is_open: open, event: word } = connection.take_control();
        if let Some(word) = word {
            return Poll::Ready(word.into());
        }
        let in_turn = self.consecutive_deliveries < MAX_CONSECUTIVE_DELIVERIES;
        if open
            && in_turn
            && let Poll::Ready(delivery) = mailbox.poll_recv(cx)
        {
            self.consecutive_deliveries += 1;
            return Poll::Ready(SessionEvent::Delivery(delivery));
        }
        self.consecutive_deliveries = 0;
        if let Poll::Ready(incoming) = connection.poll_socket(cx) {
            return Poll::Ready(incoming.into());
        }
        if open && let Poll::Ready(timer) = link.timers.poll_expired(cx, alarm) {
            return Poll::Ready(SessionEvent::Timer(timer));
        }
        if open && !in_turn {
            return mailbox.poll_recv(cx).map(SessionEvent::Delivery);
        }
        Poll::Pending
    }

    /// One call into the guest and what follows from it.
    async fn call_guest(&mut self, call: Call) {
        let span = self.call_span(&call);
        let calling = span.in_scope(|| self.consumer.binding.call(call));
        let called = self.await_call(calling).await;
        if !called.effects.is_empty() {
            span.in_scope(|| self.consumer.effect_applier().apply(called.effects));
        }
        drop(span);
        match called.result {
            Ok(GuestReply::ClientError(closure)) => {
                // The session's end tells the log.
                let fault = Fault::Client(ClientFault::ReportedByConsumer(closure));
                self.consumer.control.outbound.fail(fault);
                self.read_ahead = ReadAhead::default();
            }
            Ok(GuestReply::ErrorAfterRefusedSend(error)) => {
                let (plugin, channel) = self.consumer.log_fields();
                tracing::debug!(
                    plugin,
                    channel,
                    "an error, but its client does not listen: {error}"
                );
                let outbound = &self.consumer.control.outbound;
                outbound.fail(Fault::Client(ClientFault::SendQueueFull(outbound.buffered_bytes())));
                self.read_ahead = ReadAhead::default();
            }
            Ok(_) => {}
            Err(GuestFault::Error(error)) if self.has_peer_left() => {
                let (plugin, channel) = self.consumer.log_fields();
                tracing::debug!(plugin, channel, "an error, but the client has left: {error:?}");
            }
            Err(fault) => {
                if let Some(call) = called.unapplied_call
                    && Box::pin(self.roll_back_and_retry(call, &fault)).await
                {
                    return;
                }
                self.consumer.fail(Fault::Guest(fault));
                if self.consumer.binding.is_dedicated() && self.consumer.binding.is_dead() {
                    let version = self.consumer.binding.version().map(|version| version.digest());
                    log_skipped_disconnects(self.consumer.log_fields().0, version, 1);
                }
                self.consumer.binding.drop_dead_instance();
                self.read_ahead = ReadAhead::default();
            }
        }
    }

    /// What a trace shows of a call and what follows from it.
    fn call_span(&self, call: &Call) -> Span {
        let (plugin, channel) = self.consumer.log_fields();
        match call {
            Call::Receive(_, frame) => {
                let bytes = frame.len();
                info_span!(target: TRACE, "receive", plugin, channel, bytes, otel.kind = "server")
            }
            Call::Handle(_, message) => {
                let kind = message.message_type();
                info_span!(target: TRACE, "handle", plugin, channel, kind, otel.kind = "consumer")
            }
            Call::Timer(..) => info_span!(target: TRACE, "timer", plugin, channel),
            Call::Connect { .. } | Call::Disconnect(..) => Span::none(),
        }
    }

    /// Whether the peer ended the connection while the guest was busy, and not this side.
    fn has_peer_left(&self) -> bool {
        self.pending_end.as_ref().is_some_and(|end| !end.is_local_close)
    }

    /// Goes on with the socket while work in the instance runs elsewhere.
    async fn drive_socket_while<T>(&mut self, mut running: CallFuture<T>) -> T {
        let (answer, instance) = loop {
            let read_mode = match self.read_ahead.is_full() {
                true => ReadMode::Pause,
                false => ReadMode::Read,
            };
            tokio::select! {
                biased;
                returned = &mut running => break returned,
                incoming = self.connection.next_event(read_mode), if self.pending_end.is_none() => match incoming {
                    ConnectionEvent::Message(frame) => self.read_ahead.push(frame),
                    ConnectionEvent::Closed(end) => self.pending_end = Some(end),
                    ConnectionEvent::CommandPending => self.command_pending = true,
                    ConnectionEvent::Stop => self.shutdown_pending = true,
                },
            }
        };
        self.consumer.binding.return_instance(instance);
        answer
    }

    /// The host is stopping: the consumer is told first, so that it may still say goodbye.
    async fn shut_down(mut self) {
        let closure = Fault::Host(HostFault::ShuttingDown).close_frame();
        self.consumer.control.traffic.close_counters.record_host_close(closure.code);
        self.consumer.disconnect(closure.clone()).await;
        let Self { consumer: joined, connection, .. } = self;
        let permits = joined.permits();
        // It leaves groups and channel now, and the socket when its peer is done with it.
        drop(joined);
        connection.finish(Some(closure)).await;
        drop(permits);
    }

    /// The connection is over: the consumer is told how.
    async fn handle_closed(self, end: ConnectionEnd) {
        let (plugin, channel) = self.consumer.log_fields();
        tracing::debug!(plugin, channel, "connection over: {}", end.close_frame);
        let closures = &self.consumer.control.traffic.close_counters;
        match end.is_local_close || end.fault.is_some() {
            true => closures.record_host_close(end.close_frame.code),
            false => closures.record_client_close(end.close_frame.code),
        }
        let tell = match &end.fault {
            Some(fault @ Fault::Client(_)) => {
                self.consumer.log_fault(fault);
                Some(end.close_frame.clone())
            }
            _ => None,
        };
        let Self { consumer: mut joined, connection, .. } = self;
        let permits = joined.permits();
        let disconnecting = async move { joined.disconnect(end.close_frame).await };
        // A peer that broke a rule is told at once (RFC 6455 §7.1.7), and not when a busy instance is free.
        tokio::join!(connection.finish(tell), disconnecting);
        drop(permits);
    }
}
