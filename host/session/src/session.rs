//! The session: the loop that joins a connection, a consumer and a mailbox.

use std::task::{Context, Poll};

use tokio::task::coop::consume_budget;
use tracing::{Span, info_span};

use super::accepted_consumer::AcceptedConsumer;
use super::pending_call::{CallFuture, PendingCall};
use super::read_ahead::ReadAhead;
use super::skipped_disconnects::log_skipped_disconnects;
use narrowboat_channels::Delivery;
use narrowboat_core::fault::{ClientFault, Fault, GuestFault, HostFault, sanitize_log_line};
use narrowboat_core::frame::Frame;
use narrowboat_core::log_target::TRACE;
use narrowboat_runtime::{Call, GuestReply};
use narrowboat_websocket::connection::{
    Connection, ConnectionEnd, ConnectionEvent, ControlState, NextTimer, ReadMode, TimerId,
};

/// Deliveries that a session takes in a row before it polls the socket.
const MAX_CONSECUTIVE_DELIVERIES: u32 = 32;

/// An event of a session.
enum SessionEvent {
    Frame(Frame),
    Delivery(Delivery),
    Timer(TimerId),
    /// A command of a rollout is pending.
    Command,
    Shutdown,
    Closed(ConnectionEnd),
}

impl From<ConnectionEvent> for SessionEvent {
    fn from(event: ConnectionEvent) -> Self {
        match event {
            ConnectionEvent::Message(frame) => Self::Frame(frame),
            ConnectionEvent::Closed(end) => Self::Closed(end),
            ConnectionEvent::CommandPending => Self::Command,
            ConnectionEvent::Stop => Self::Shutdown,
        }
    }
}

impl AcceptedConsumer {
    /// Runs the session until the connection has ended and the consumer's `disconnect` has returned. Dropping the
    /// future before that closes the socket, and drops the consumer, which calls `disconnect` with 1006.
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
            // Boxed, so that the future of an open connection has no room for its end.
            match session.run().await {
                SessionEnd::Shutdown => Box::pin(session.shut_down()).await,
                SessionEnd::Closed(end) => Box::pin(session.handle_closed(end)).await,
            }
        }
    }
}

/// Why a session has ended.
enum SessionEnd {
    Shutdown,
    Closed(ConnectionEnd),
}

/// A session. Dropping it drops its consumer, which calls `disconnect` with 1006.
pub(super) struct Session {
    pub(super) consumer: AcceptedConsumer,
    connection: Connection,
    read_ahead: ReadAhead,
    next_timer: NextTimer,
    /// The connection ended while the guest was busy.
    pending_end: Option<ConnectionEnd>,
    /// The host began to stop while the guest was busy.
    shutdown_pending: bool,
    /// A command arrived while the guest was busy.
    command_pending: bool,
    /// Deliveries since the socket was last polled.
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
                    // A refused frame is a lost delivery: the overflow policy has acted at the limit.
                    self.consumer.control.push(frame);
                }
                SessionEvent::Timer(timer) => self.call_guest(Call::Timer(id, timer)).await,
                SessionEvent::Command => Box::pin(self.run_pending_command()).await,
                SessionEvent::Shutdown => return SessionEnd::Shutdown,
                SessionEvent::Closed(end) => return SessionEnd::Closed(end),
            }
            // Lets other tasks run even if this session always has an event.
            consume_budget().await;
        }
    }

    /// Waits for the next event. A connection that is closing gets no further frames, messages or timers.
    async fn next_event(&mut self) -> SessionEvent {
        if std::mem::take(&mut self.command_pending) {
            return SessionEvent::Command;
        }
        // Frames that the peer sent before it left are handled.
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

    /// Polls for the next event. Deliveries come first, so that the frames that the guest sends for several of them go
    /// out in one write; but after [`MAX_CONSECUTIVE_DELIVERIES`] the socket is polled.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<SessionEvent> {
        let Self { consumer, connection, next_timer, .. } = self;
        let AcceptedConsumer { control, mailbox, .. } = consumer;
        let ControlState { is_open, event } = connection.take_control();
        if let Some(event) = event {
            return Poll::Ready(event.into());
        }
        let deliveries_first = self.consecutive_deliveries < MAX_CONSECUTIVE_DELIVERIES;
        if is_open
            && deliveries_first
            && let Poll::Ready(delivery) = mailbox.poll_recv(cx)
        {
            self.consecutive_deliveries += 1;
            return Poll::Ready(SessionEvent::Delivery(delivery));
        }
        self.consecutive_deliveries = 0;
        if let Poll::Ready(event) = connection.poll_socket(cx) {
            return Poll::Ready(event.into());
        }
        if is_open && let Poll::Ready(timer) = control.timers.poll_expired(cx, next_timer) {
            return Poll::Ready(SessionEvent::Timer(timer));
        }
        if is_open && !deliveries_first {
            return mailbox.poll_recv(cx).map(SessionEvent::Delivery);
        }
        Poll::Pending
    }

    /// Calls the guest, applies the effects, and handles the result.
    pub(super) async fn call_guest(&mut self, call: Call) {
        let span = self.call_span(&call);
        let pending = span.in_scope(|| self.consumer.binding.call(call));
        let outcome = self.await_call(pending).await;
        if !outcome.effects.is_empty() {
            span.in_scope(|| self.consumer.effect_applier().apply(outcome.effects));
        }
        drop(span);
        match outcome.result {
            Ok(reply) => self.handle_reply(reply),
            // Boxed, so that the future of an open connection has no room for it.
            Err(fault) => Box::pin(self.handle_guest_fault(fault, outcome.unapplied_call)).await,
        }
    }

    /// Ends the connection if the reply blames the client.
    fn handle_reply(&mut self, reply: GuestReply) {
        let outbound = &self.consumer.control.outbound;
        let fault = match reply {
            // The end of the session logs the fault.
            GuestReply::ClientError(close) => ClientFault::ReportedByConsumer(close),
            GuestReply::ErrorAfterRefusedSend(error) => {
                let (plugin, channel) = self.consumer.log_fields();
                tracing::debug!(
                    plugin,
                    channel,
                    %error,
                    "the consumer failed after its client had left or stopped reading"
                );
                ClientFault::SendQueueFull(outbound.buffered_bytes())
            }
            _ => return,
        };
        outbound.fail(Fault::Client(fault));
        self.read_ahead = ReadAhead::default();
    }

    /// Rolls the consumer back after a fault that killed its instance in a version that is watched; otherwise ends the
    /// connection.
    async fn handle_guest_fault(&mut self, fault: GuestFault, unapplied_call: Option<Call>) {
        if let GuestFault::Error(error) = &fault
            && self.has_peer_left()
        {
            let (plugin, channel) = self.consumer.log_fields();
            tracing::debug!(
                plugin,
                channel,
                error,
                "the consumer failed after its client had left"
            );
            return;
        }
        if let Some(call) = unapplied_call
            && self.roll_back_and_retry(call, &fault).await
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

    /// The trace span of a call and its effects.
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

    /// Whether the peer, and not the host, ended the connection while the guest was busy.
    fn has_peer_left(&self) -> bool {
        self.pending_end.as_ref().is_some_and(|end| !end.is_local_close)
    }

    /// Waits for work in the instance, and drives the socket meanwhile.
    pub(super) async fn await_call<T>(&mut self, pending: PendingCall<T>) -> T {
        match pending {
            PendingCall::Ready(result) => result,
            PendingCall::Running(running) => self.drive_socket_while(running).await,
        }
    }

    /// Drives the socket until `running` ends: reads frames ahead up to a limit, and writes.
    async fn drive_socket_while<T>(&mut self, mut running: CallFuture<T>) -> T {
        let (result, instance) = loop {
            let read_mode = match self.read_ahead.is_full() {
                true => ReadMode::Pause,
                false => ReadMode::Read,
            };
            tokio::select! {
                biased;
                returned = &mut running => break returned,
                event = self.connection.next_event(read_mode), if self.pending_end.is_none() => match event {
                    ConnectionEvent::Message(frame) => self.read_ahead.push(frame),
                    ConnectionEvent::Closed(end) => self.pending_end = Some(end),
                    ConnectionEvent::CommandPending => self.command_pending = true,
                    ConnectionEvent::Stop => self.shutdown_pending = true,
                },
            }
        };
        self.consumer.binding.return_instance(instance);
        result
    }

    /// Ends the session because the host is stopping. The consumer's `disconnect` runs before the Close frame, so that
    /// it may still send.
    async fn shut_down(mut self) {
        let close = Fault::Host(HostFault::ShuttingDown).close_frame();
        self.consumer.control.traffic.close_counters.record_host_close(close.code);
        self.consumer.disconnect(close.clone()).await;
        let Self { consumer, connection, .. } = self;
        let permits = consumer.permits();
        // The drop leaves the groups and closes the channel now. The socket stays open for the closing handshake.
        drop(consumer);
        connection.finish(Some(close)).await;
        drop(permits);
    }

    /// Ends the session because the connection has ended: calls the consumer's `disconnect` and closes the socket.
    async fn handle_closed(self, end: ConnectionEnd) {
        let (plugin, channel) = self.consumer.log_fields();
        tracing::debug!(
            plugin,
            channel,
            // The reason is the client's own text.
            close_frame = %sanitize_log_line(&end.close_frame.to_string()),
            "connection ended"
        );
        let close_counters = &self.consumer.control.traffic.close_counters;
        match end.is_local_close || end.fault.is_some() {
            true => close_counters.record_host_close(end.close_frame.code),
            false => close_counters.record_client_close(end.close_frame.code),
        }
        let close_to_send = match &end.fault {
            Some(fault @ Fault::Client(_)) => {
                self.consumer.log_fault(fault);
                Some(end.close_frame.clone())
            }
            _ => None,
        };
        let Self { mut consumer, connection, .. } = self;
        let permits = consumer.permits();
        let disconnect = async move { consumer.disconnect(end.close_frame).await };
        // A client that broke a rule gets its Close frame at once (RFC 6455 §7.1.7), even if the instance is busy.
        tokio::join!(connection.finish(close_to_send), disconnect);
        drop(permits);
    }
}
