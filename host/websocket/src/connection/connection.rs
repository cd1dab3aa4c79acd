//! One open connection, polled by its session.

use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::Instant;

use super::connection_end::ConnectionEnd;
use super::connection_event::{ConnectionEvent, ControlState};
use super::connection_handle::ConnectionHandle;
use super::connection_state::{ConnectionState, WriteHalf};
use super::connection_timeouts::ConnectionTimeouts;
use super::control_signals::{ControlSignal, PendingClose};
use super::direct_writer::RestState;
use super::drain::drain_until_eof;
use super::fill_batch::fill_batch;
use super::keepalive::{Keepalive, KeepaliveAction};
use super::socket::{ReadError, Socket};
use super::throttle::{RateState, Throttle};
use crate::codec::{BATCH_BYTES, IncomingEvent};
use narrowboat_core::close_frame::CloseFrame;
use narrowboat_core::fault::{ClientFault, Fault};
use narrowboat_core::frame::Frame;
use narrowboat_quota::QuotaChain;

/// The number of events after which queued frames are written, even if more can be read.
const MAX_EVENTS_PER_WRITE: u32 = 64;

/// One open connection. Its session polls it; other tasks use its [`ConnectionHandle`].
pub struct Connection {
    socket: Socket,
    handle: Arc<ConnectionHandle>,
    state: ConnectionState,
    write_half: WriteHalf,
    keepalive: Keepalive,
    read_throttle: Throttle,
    write_throttle: Throttle,
    /// The number of events since the last write.
    events_since_write: u32,
    /// For what the task parks after its next write.
    rest: RestState,
    /// The size of the outbound queue at the last [`Connection::take_control`], in bytes.
    queued_bytes: usize,
}

/// Whether a connection reads from its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadMode {
    /// The connection reads.
    Read,
    /// The connection does not read, so that the client has to wait.
    Pause,
}

/// When a connection writes its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WriteMode {
    /// In this poll.
    Now,
    /// In the next poll. The task is woken for it.
    NextPoll,
}

impl Connection {
    /// Starts a connection on a socket whose handshake is complete.
    pub fn new(
        socket: Socket,
        handle: Arc<ConnectionHandle>,
        timeouts: Arc<ConnectionTimeouts>,
    ) -> Self {
        handle.outbound.set_direct_writer(socket.direct_writer());
        Self {
            socket,
            handle,
            state: ConnectionState::Open,
            write_half: WriteHalf::Open,
            keepalive: Keepalive::new(timeouts),
            read_throttle: Throttle::default(),
            write_throttle: Throttle::default(),
            events_since_write: 0,
            rest: RestState::InCall,
            queued_bytes: 0,
        }
    }

    /// Waits for the next event, while the session waits for something else too. The queue is written from the second
    /// poll on: other tasks that are ready now may queue more frames, which then go out in the same write.
    /// Cancel-safe.
    pub async fn next_event(&mut self, read_mode: ReadMode) -> ConnectionEvent {
        let mut write_mode = WriteMode::NextPoll;
        std::future::poll_fn(|cx| match self.take_control().event {
            Some(event) => Poll::Ready(event),
            None => {
                let write_mode = std::mem::replace(&mut write_mode, WriteMode::Now);
                self.rest = RestState::InCall;
                self.poll_in_mode(cx, read_mode, write_mode)
            }
        })
        .await
    }

    /// Takes the requests of other tasks. Frames that this task queues afterwards do not wake it.
    pub fn take_control(&mut self) -> ControlState {
        let status = self.handle.outbound.take_status();
        if let Some(request) = status.close_request {
            self.start_closing(request);
        }
        self.queued_bytes = status.queued_bytes;
        if !status.unsent.is_empty() {
            self.socket.push_unsent(status.unsent);
        }
        let event = status.signal.map(|signal| match signal {
            ControlSignal::Stop => ConnectionEvent::Stop,
            ControlSignal::CommandPending => ConnectionEvent::CommandPending,
        });
        ControlState { is_open: status.is_open, event }
    }

    /// Polls for the next event of the peer, and writes the queue if there is none. Call
    /// [`take_control`](Self::take_control) first.
    pub fn poll_socket(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionEvent> {
        self.rest = RestState::Idle;
        self.poll_in_mode(cx, ReadMode::Read, WriteMode::Now)
    }

    /// Whether the last read may have brought further messages, and nothing else is to be done before them. Then
    /// [`poll_next_message`](Self::poll_next_message) may follow without a [`take_control`](Self::take_control).
    pub fn has_next_message(&self) -> bool {
        self.state.is_open()
            && self.socket.has_read_bytes()
            && !self.handle.traffic.quota.limits_receiving()
            && !self.handle.outbound.needs_poll()
    }

    /// Polls for the next event of the peer only.
    pub fn poll_next_message(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionEvent> {
        let event = self.poll_read(cx);
        self.events_since_write += u32::from(event.is_ready());
        event
    }

    /// Takes the next message of the last read, if it is there as a whole and
    /// [`has_next_message`](Self::has_next_message) has returned true since that read. `None` if something else comes
    /// next.
    ///
    /// # Errors
    /// The end of the connection, because of a fault of the client.
    pub fn take_read_message(&mut self) -> Option<Result<Frame, Box<ConnectionEnd>>> {
        match self.socket.next_whole_message() {
            Ok(frame) => {
                let frame = frame?;
                self.handle.traffic.record_received(frame.len());
                self.events_since_write += 1;
                Some(Ok(frame))
            }
            Err(fault) => Some(Err(self.state.end(ConnectionEnd::from_fault(fault.into())))),
        }
    }

    /// Whether neither side has begun to close.
    pub fn is_open(&self) -> bool {
        self.state.is_open()
    }

    /// Writes the queue if it has frames enough for a write, even if more can be read. Call
    /// [`take_control`](Self::take_control) first.
    pub fn write_due_frames(&mut self, cx: &mut Context<'_>) {
        let is_batch_queued = std::mem::take(&mut self.queued_bytes) >= BATCH_BYTES;
        if is_batch_queued || self.events_since_write >= MAX_EVENTS_PER_WRITE {
            self.write_queue(cx);
        }
    }

    fn poll_in_mode(
        &mut self,
        cx: &mut Context<'_>,
        read_mode: ReadMode,
        write_mode: WriteMode,
    ) -> Poll<ConnectionEvent> {
        self.write_due_frames(cx);
        let read_mode = self.effective_read_mode(cx, read_mode);
        if read_mode == ReadMode::Read
            && let Poll::Ready(event) = self.poll_read(cx)
        {
            self.events_since_write += 1;
            return Poll::Ready(event);
        }
        // After reading: bytes that came while this host was busy end the peer's silence.
        if let Poll::Ready(end) = self.poll_timeouts(cx, read_mode) {
            return Poll::Ready(ConnectionEvent::Closed(end));
        }
        match write_mode {
            WriteMode::Now => self.write_queue(cx),
            WriteMode::NextPoll => self.schedule_write(cx),
        }
        Poll::Pending
    }

    /// Returns whether to read, given the request of the session and the rate limits. After this side's Close the
    /// connection always reads: only the peer's Close counts then.
    fn effective_read_mode(&mut self, cx: &mut Context<'_>, read_mode: ReadMode) -> ReadMode {
        if !self.state.is_open() {
            return ReadMode::Read;
        }
        if read_mode == ReadMode::Pause {
            return ReadMode::Pause;
        }
        let quota = &self.handle.traffic.quota;
        match self.read_throttle.poll_rate(cx, quota, QuotaChain::read_wait) {
            RateState::Within => ReadMode::Read,
            RateState::Exceeded => ReadMode::Pause,
        }
    }

    /// Writes as much of the queue as the socket takes. The end of a failed stream is reported by the next read.
    fn write_queue(&mut self, cx: &mut Context<'_>) {
        self.events_since_write = 0;
        let _ = self.poll_write(cx);
    }

    /// Wakes the task for a write if anything is queued, now or later.
    fn schedule_write(&mut self, cx: &mut Context<'_>) {
        self.handle.outbound.park_in_call(cx);
        let has_bytes = self.socket.has_pending_control_frames() || self.socket.is_write_blocked();
        if has_bytes || self.handle.outbound.has_pending() {
            // Frames that are queued already do not wake the task.
            cx.waker().wake_by_ref();
        }
    }

    /// Returns the next message, or the end of the connection.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionEvent> {
        loop {
            let polled = self.socket.poll_event(cx);
            // A part of a frame counts, since the peer cannot answer a ping in the middle of a frame.
            if self.socket.take_read_flag() {
                self.keepalive.record_activity(Instant::now());
            }
            let Poll::Ready(read) = polled else { return Poll::Pending };
            match read {
                Ok(IncomingEvent::Message(frame)) if self.state.is_open() => {
                    self.handle.traffic.record_received(frame.len());
                    return Poll::Ready(ConnectionEvent::Message(frame));
                }
                // The peer sent the message before it got this side's Close. It is dropped.
                Ok(IncomingEvent::Message(_) | IncomingEvent::Pong) => {}
                Ok(IncomingEvent::Ping(payload)) => {
                    if self.state.is_open() {
                        self.socket.queue_pong(&payload);
                    }
                }
                Ok(IncomingEvent::Close(close_frame)) => {
                    return Poll::Ready(self.handle_peer_close(cx, close_frame));
                }
                Err(ReadError::Fault(fault)) => {
                    let end = self.state.end(ConnectionEnd::from_fault(fault.into()));
                    return Poll::Ready(ConnectionEvent::Closed(end));
                }
                Err(ReadError::Disconnected) => {
                    self.handle.outbound.mark_closed();
                    let end = self.state.end(ConnectionEnd::from_peer(CloseFrame::abnormal()));
                    return Poll::Ready(ConnectionEvent::Closed(end));
                }
            }
        }
    }

    /// Ends the connection because of the peer's Close, and answers it with a Close behind the queued frames. `finish`
    /// writes the rest if the socket does not take all of it now.
    fn handle_peer_close(
        &mut self,
        cx: &mut Context<'_>,
        close_frame: CloseFrame,
    ) -> ConnectionEvent {
        self.handle.outbound.close(close_frame.clone());
        let end = self.state.end(ConnectionEnd::from_peer(close_frame));
        let _ = self.poll_write(cx);
        ConnectionEvent::Closed(end)
    }

    /// Writes queued frames while the socket takes them. Ready when the queue is empty or writing has failed. In
    /// either case the task is woken when there is more to write.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.write_half == WriteHalf::Failed {
            self.handle.outbound.register_waker(cx);
            return Poll::Ready(());
        }
        let quota = &self.handle.traffic.quota;
        let rate = self.write_throttle.poll_rate(cx, quota, QuotaChain::write_wait);
        let Self { socket, handle, rest, .. } = self;
        let mut close_request = None;
        let written = socket.poll_write(cx, |encoder, batch, cx| {
            if let Some(request) = fill_batch(handle, encoder, batch, cx, (rate, *rest)) {
                close_request = Some(request);
            }
        });
        if let Some(request) = close_request {
            self.start_closing(request);
        }
        match written {
            Poll::Ready(Ok(()))
                if rate == RateState::Exceeded && self.handle.outbound.has_pending() =>
            {
                Poll::Pending
            }
            Poll::Ready(Ok(())) => Poll::Ready(()),
            Poll::Ready(Err(_)) => {
                self.write_half = WriteHalf::Failed;
                self.handle.outbound.mark_closed();
                self.handle.outbound.register_waker(cx);
                Poll::Ready(())
            }
            Poll::Pending => {
                self.handle.outbound.register_waker(cx);
                Poll::Pending
            }
        }
    }

    /// Starts the closing handshake, unless it has started. The peer's time starts at the request and not when the
    /// Close is written: a peer that does not read must not delay its own deadline.
    fn start_closing(&mut self, PendingClose { close_frame, fault }: PendingClose) {
        if !self.state.is_open() {
            return;
        }
        if let Some(Fault::Client(ClientFault::SendQueueFull(_))) = &fault {
            self.handle.traffic.record_stalled();
        }
        let deadline = Instant::now() + self.keepalive.close_timeout();
        let end = Box::new(ConnectionEnd { close_frame, fault, is_local_close: true });
        self.state = ConnectionState::AwaitingPeerClose { end, deadline };
        self.keepalive.set_timer(deadline);
        self.socket.discard_messages();
    }

    /// Handles the timer: sends a ping to a silent peer, or ends the connection.
    fn poll_timeouts(
        &mut self,
        cx: &mut Context<'_>,
        read_mode: ReadMode,
    ) -> Poll<Box<ConnectionEnd>> {
        while let Poll::Ready(now) = self.keepalive.poll_timer(cx) {
            if let Some(end) = self.state.end_if_overdue(now) {
                return Poll::Ready(end);
            }
            let next = match &self.state {
                ConnectionState::AwaitingPeerClose { deadline, .. } => *deadline,
                ConnectionState::Ended => now + self.keepalive.close_timeout(),
                ConnectionState::Open => match self.check_keepalive(now, read_mode) {
                    KeepaliveAction::Wait(next) => next,
                    KeepaliveAction::Ping(next) => {
                        // A blocked socket has unsent bytes, which the peer has to answer first anyway.
                        if !self.socket.is_write_blocked() {
                            self.socket.queue_ping();
                        }
                        next
                    }
                    KeepaliveAction::TimeOut(idle_timeout) => {
                        let fault = Fault::Client(ClientFault::IdleTimeout(idle_timeout));
                        return Poll::Ready(self.state.end(ConnectionEnd::from_fault(fault)));
                    }
                },
            };
            self.keepalive.set_timer(next);
        }
        Poll::Pending
    }

    /// Checks the silence of the peer. A pause of reading counts as activity.
    fn check_keepalive(&mut self, now: Instant, read_mode: ReadMode) -> KeepaliveAction {
        if read_mode == ReadMode::Pause {
            self.keepalive.record_activity(now);
        }
        self.keepalive.check_silence(now)
    }

    /// Completes the connection within the close time-out: writes the queue and a Close (with `close_frame` unless a
    /// Close was requested before), waits for the peer's Close, and closes the stream. A connection that takes longer
    /// is dropped.
    pub async fn finish(mut self, close_frame: Option<CloseFrame>) {
        let limit = self.keepalive.close_timeout();
        if let Some(close_frame) = close_frame {
            self.handle.outbound.close(close_frame);
        }
        let _ = tokio::time::timeout(limit, self.close_and_drain()).await;
        self.handle.outbound.mark_closed();
    }

    async fn close_and_drain(&mut self) {
        while !self.state.is_ended() {
            let _ = self.next_event(ReadMode::Read).await;
        }
        std::future::poll_fn(|cx| self.poll_write(cx)).await;
        drain_until_eof(self.socket.stream_mut()).await;
    }
}
