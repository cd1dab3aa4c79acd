//! The socket of a session whose connection is open, and the end of that session.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::accepted_consumer::AcceptedConsumer;
use super::charged_flush::flush_charged;
use super::dedicated::{DeferredTurns, RestingMember};
use super::instance_binding::InstanceBinding;
use super::pending_call::CallFuture;
use super::read_ahead::ReadAhead;
use super::session::Session;
use super::session_link::{LinkState, SessionEvent, SessionLink};
use super::shared::SharedMember;
use narrowboat_channels::DeliverySink;
use narrowboat_core::fault::{Fault, HostFault, sanitize_log_line};
use narrowboat_core::flush_after_poll::FlushAfterPoll;
use narrowboat_core::frame::Frame;
use narrowboat_core::self_wake::PollUntilIdle;
use narrowboat_runtime::Instance;
use narrowboat_websocket::connection::{
    Connection, ConnectionEnd, ConnectionEvent, ConnectionHandle, ControlState, ReadMode,
};

/// The payload of the frames of one read after which a session gathers no further ones for a call, in bytes.
const MAX_ROW_BYTES: usize = 64 * 1024;

/// The socket of a session, and the events that came while the guest was busy.
pub(super) struct SessionSocket {
    connection: Connection,
    read_ahead: ReadAhead,
    /// The connection ended while the guest was busy.
    pending_end: Option<Box<ConnectionEnd>>,
    /// The host began to stop while the guest was busy.
    shutdown_pending: bool,
    /// A command arrived while the guest was busy.
    command_pending: bool,
}

/// Why the session of an open connection has ended.
pub(super) enum SocketEnd {
    Shutdown,
    Closed(Box<ConnectionEnd>),
}

impl AcceptedConsumer {
    /// Runs the session until the connection has ended and the consumer's `disconnect` has returned. Dropping the
    /// future before that closes the socket, and drops the consumer, which calls `disconnect` with 1006.
    pub fn run(mut self, connection: Connection) -> impl Future<Output = ()> + Send {
        let sink = self.delivery_sink();
        self.mailbox.set_delivery_sink(sink);
        let plugin = Arc::clone(self.plugin());
        let quota = Arc::clone(&plugin.quota);
        let mut session = Session::new(self, SessionSocket::new(connection));
        session.start_idle_timer();
        let running = async move {
            // Boxed, so that the future of an open connection has no room for its end.
            match session.run().await {
                SocketEnd::Shutdown => Box::pin(session.shut_down()).await,
                SocketEnd::Closed(end) => Box::pin(session.handle_closed(end)).await,
            }
        };
        let running = DeferredTurns::new(plugin, PollUntilIdle::new(running));
        FlushAfterPoll::new(running, move |list| flush_charged(&quota, list))
    }

    /// The sink that acts for the session while it rests.
    fn delivery_sink(&mut self) -> Arc<dyn DeliverySink> {
        let Self { registry, control, binding, id, mailbox, resting, .. } = self;
        match binding {
            InstanceBinding::Dedicated(..) | InstanceBinding::Hibernated(..) => {
                let instance = resting.insert(Arc::default());
                Arc::new(RestingMember::new(registry, instance, control, *id, mailbox.deputy()))
            }
            InstanceBinding::Shared(registry, instance) => {
                let (plugin, mailbox) = (&registry.plugin, mailbox.deputy());
                Arc::new(SharedMember::new(instance, plugin, control, *id, mailbox))
            }
        }
    }
}

impl From<ConnectionEvent> for SessionEvent<SocketEnd> {
    fn from(event: ConnectionEvent) -> Self {
        match event {
            ConnectionEvent::Message(frame) => Self::Frame(frame),
            ConnectionEvent::Closed(end) => Self::End(SocketEnd::Closed(end)),
            ConnectionEvent::CommandPending => Self::Command,
            ConnectionEvent::Stop => Self::End(SocketEnd::Shutdown),
        }
    }
}

impl SessionSocket {
    fn new(connection: Connection) -> Self {
        Self {
            connection,
            read_ahead: ReadAhead::default(),
            pending_end: None,
            shutdown_pending: false,
            command_pending: false,
        }
    }
}

impl SessionLink for SessionSocket {
    type End = SocketEnd;

    fn take_event(&mut self, control: &ConnectionHandle) -> Option<SessionEvent<SocketEnd>> {
        if std::mem::take(&mut self.command_pending) {
            return Some(SessionEvent::Command);
        }
        // Frames that the peer sent before it left are handled. Others wait for requests and for a write that is due.
        if !self.read_ahead.is_empty()
            && (self.has_peer_left() || !control.outbound.needs_poll())
            && let Some(frame) = self.read_ahead.pop()
        {
            return Some(SessionEvent::Frame(frame));
        }
        if let Some(end) = self.pending_end.take() {
            return Some(SessionEvent::End(SocketEnd::Closed(end)));
        }
        self.shutdown_pending.then_some(SessionEvent::End(SocketEnd::Shutdown))
    }

    fn poll_state(
        &mut self,
        _control: &ConnectionHandle,
        _cx: &mut Context<'_>,
    ) -> LinkState<SocketEnd> {
        match self.connection.take_control() {
            ControlState { event: Some(event), .. } => LinkState::Requested(event.into()),
            ControlState { is_open: true, .. } => LinkState::Open,
            ControlState { is_open: false, .. } => LinkState::Closing,
        }
    }

    fn poll_client(&mut self, cx: &mut Context<'_>) -> Poll<SessionEvent<SocketEnd>> {
        if self.connection.is_open()
            && let Some(frame) = self.read_ahead.pop()
        {
            self.connection.write_due_frames(cx);
            return Poll::Ready(SessionEvent::Frame(frame));
        }
        self.connection.poll_socket(cx).map(SessionEvent::from)
    }

    fn poll_read_message(&mut self, cx: &mut Context<'_>) -> Poll<SessionEvent<SocketEnd>> {
        match self.connection.has_next_message() {
            true => self.connection.poll_next_message(cx).map(SessionEvent::from),
            false => Poll::Pending,
        }
    }

    fn take_read_messages(&mut self, max: usize) -> VecDeque<Frame> {
        let mut frames = VecDeque::new();
        let mut bytes = 0;
        while frames.len() < max
            && bytes < MAX_ROW_BYTES
            && let Some(frame) = self.read_ahead.pop()
        {
            bytes += frame.len();
            frames.push_back(frame);
        }
        if !self.read_ahead.is_empty() || !self.connection.has_next_message() {
            return frames;
        }
        while frames.len() < max && bytes < MAX_ROW_BYTES {
            match self.connection.take_read_message() {
                Some(Ok(frame)) => {
                    bytes += frame.len();
                    frames.push_back(frame);
                }
                Some(Err(end)) => {
                    self.pending_end = Some(end);
                    break;
                }
                None => break,
            }
        }
        frames
    }

    fn put_back(&mut self, frames: VecDeque<Frame>) {
        self.read_ahead.put_back(frames);
    }

    /// Reads frames ahead up to a limit, and writes.
    async fn serve_while<T: Send>(
        &mut self,
        mut work: CallFuture<T>,
    ) -> (T, Option<Box<Instance>>) {
        loop {
            let read_mode = match self.read_ahead.is_full() {
                true => ReadMode::Pause,
                false => ReadMode::Read,
            };
            tokio::select! {
                biased;
                returned = &mut work => return returned,
                event = self.connection.next_event(read_mode), if self.pending_end.is_none() => match event {
                    ConnectionEvent::Message(frame) => self.read_ahead.push(frame),
                    ConnectionEvent::Closed(end) => self.pending_end = Some(end),
                    ConnectionEvent::CommandPending => self.command_pending = true,
                    ConnectionEvent::Stop => self.shutdown_pending = true,
                },
            }
        }
    }

    fn has_peer_closed(&self) -> bool {
        self.pending_end.as_ref().is_some_and(|end| !end.is_local_close && end.fault.is_none())
    }

    fn discard_frames(&mut self) {
        self.read_ahead = ReadAhead::default();
    }
}

impl SessionSocket {
    /// Whether the client ended the connection while the guest was busy, also by a fault.
    fn has_peer_left(&self) -> bool {
        self.pending_end.as_ref().is_some_and(|end| !end.is_local_close)
    }
}

impl Session<SessionSocket> {
    /// Ends the session because the host is stopping. The consumer's `disconnect` runs before the Close frame, so that
    /// it may still send.
    async fn shut_down(mut self) {
        let close = Fault::Host(HostFault::ShuttingDown).close_frame();
        self.consumer.control.traffic.close_counters.record_host_close(close.code);
        self.consumer.disconnect(close.clone()).await;
        let Self { consumer, link, .. } = self;
        let permits = consumer.permits();
        // The drop leaves the groups and closes the channel now. The socket stays open for the closing handshake.
        drop(consumer);
        link.connection.finish(Some(close)).await;
        drop(permits);
    }

    /// Ends the session because the connection has ended: calls the consumer's `disconnect` and closes the socket.
    async fn handle_closed(self, end: Box<ConnectionEnd>) {
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
        let Self { mut consumer, link, .. } = self;
        let permits = consumer.permits();
        let disconnect = async move { consumer.disconnect(end.close_frame).await };
        // A client that broke a rule gets its Close frame at once (RFC 6455 §7.1.7), even if the instance is busy.
        tokio::join!(link.connection.finish(close_to_send), disconnect);
        drop(permits);
    }
}
