//! The host's side of one open socket: frames in, frames out, pings, the closing handshake.

mod close_counters;
mod connection_handle;
mod deflate;
mod extension;
mod finish;
mod frame_decoder;
mod frame_encoder;
mod maybe_tls_stream;
mod outbound_queue;
mod socket;
mod timeouts;
mod timers;
mod traffic;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

pub(crate) use finish::drain_until_eof;

pub use close_counters::CloseCounters;
pub use connection_handle::ConnectionHandle;
pub use deflate::DeflateParams;
pub use extension::Extension;
pub use frame_decoder::IncomingLimits;
pub use maybe_tls_stream::MaybeTlsStream;
pub use outbound_queue::{OutboundLimits, OutboundQueue, PendingSize, PushError};
pub use socket::{Socket, SocketConfig};
pub use timeouts::ConnectionTimeouts;
pub use timers::{NextTimer, TimerId, Timers};
pub use traffic::{FrameCounter, TrafficCounters};

use frame_decoder::IncomingEvent;
use frame_encoder::BATCH_BYTES;
use narrowboat_core::close_frame::CloseFrame;
use narrowboat_core::fault::{ClientFault, Fault};
use narrowboat_core::frame::Frame;
use narrowboat_quota::{LimitKind, QuotaChain};
use outbound_queue::{ControlSignal, OutboundItem};
use socket::ReadError;

/// Frames handed out before what they caused is flushed, even if more can be read.
const FRAMES_PER_FLUSH: u32 = 64;

/// What the peer did.
#[derive(Debug)]
pub enum ConnectionEvent {
    /// A whole message.
    Message(Frame),
    /// The connection is over, or about to be: call [`Connection::finish`].
    Closed(ConnectionEnd),
    /// The host has begun to stop; told once.
    Stop,
    /// An order lies ready for the session.
    CommandPending,
}

/// What others have asked of a connection.
#[derive(Debug)]
pub struct ControlState {
    /// It is not closing.
    pub is_open: bool,
    /// What the session has to be told: [`Incoming::Stop`] or [`Incoming::Summons`].
    pub event: Option<ConnectionEvent>,
}

/// How a connection came to its end.
#[derive(Debug)]
pub struct ConnectionEnd {
    /// What the consumer is told.
    pub close_frame: CloseFrame,
    /// Whose fault it was, if it was one.
    pub fault: Option<Fault>,
    /// Whether this side closed first: what the peer still sent is its loss then.
    pub is_local_close: bool,
}

impl ConnectionEnd {
    /// The end that the peer brings without a fault.
    fn from_peer(close_frame: CloseFrame) -> Self {
        Self { close_frame, fault: None, is_local_close: false }
    }
}

/// One open socket. Polled by its session alone; others reach it through its [`Link`].
pub struct Connection {
    socket: Socket,
    handle: Arc<ConnectionHandle>,
    timeouts: ConnectionTimeouts,
    phase: Phase,
    /// When the peer was last heard.
    last_activity: Instant,
    /// The next moment at which silence, or a slow closing, has to be looked at.
    next_timeout: Pin<Box<Sleep>>,
    /// Writing failed; what the peer sent before may still be read.
    write_failed: bool,
    frames_since_flush: u32,
    /// So much is queued that it is written before more is read.
    flush_due: bool,
    /// Until then its plugin has heard enough.
    read_throttle: Throttle,
    /// Until then its plugin has said enough.
    write_throttle: Throttle,
}

/// A wait for a rate, made when there is one.
type Throttle = Option<Pin<Box<Sleep>>>;

/// Where the closing handshake stands.
enum Phase {
    Open,
    /// This side closes: a Close frame is queued or sent, and the peer has until the deadline.
    Closing {
        end: Option<ConnectionEnd>,
        deadline: Instant,
    },
    /// The session has been told the end.
    Ended,
}

/// Whether a rate makes a plugin wait; the task is woken when it need not any more.
fn is_throttled(
    rest: &mut Throttle,
    cx: &mut Context<'_>,
    allowance: &QuotaChain,
    wait: impl Fn(&QuotaChain) -> Option<(Duration, LimitKind)>,
) -> bool {
    while let Some((wait, bound)) = wait(allowance) {
        if rest.is_none() {
            allowance.record_limit_hit(bound);
        }
        let sleep = rest.insert(Box::pin(tokio::time::sleep(wait)));
        if sleep.as_mut().poll(cx).is_pending() {
            return true;
        }
    }
    *rest = None;
    false
}

impl Connection {
    /// Takes over a socket whose handshake is done.
    pub fn new(
        socket: Socket,
        handle: Arc<ConnectionHandle>,
        timeouts: ConnectionTimeouts,
    ) -> Self {
        let last_activity = Instant::now();
        Self {
            socket,
            handle,
            timeouts,
            phase: Phase::Open,
            last_activity,
            next_timeout: Box::pin(tokio::time::sleep_until(
                last_activity + timeouts.keepalive_interval,
            )),
            write_failed: false,
            frames_since_flush: 0,
            flush_due: false,
            read_throttle: None,
            write_throttle: None,
        }
    }

    /// Waits for what the peer does next while something else is awaited. With `hold` no frame is read, so that
    /// the peer has to wait. What is queued is written when others have had a turn, since more may come at once.
    /// Cancel safe.
    pub async fn next_event(&mut self, hold: bool) -> ConnectionEvent {
        let mut woken = false;
        let next = |cx: &mut Context<'_>| match self.take_control().event {
            Some(word) => Poll::Ready(word),
            None => self.poll_socket(cx, hold, std::mem::replace(&mut woken, true)),
        };
        std::future::poll_fn(next).await
    }

    /// Looks at what others have asked. What this task queues from now on need not wake it.
    pub fn take_control(&mut self) -> ControlState {
        let found = self.handle.outbound.take_status();
        if let Some((closure, fault)) = found.closing {
            self.start_closing(closure, fault);
        }
        self.flush_due = found.queued_bytes >= BATCH_BYTES;
        let word = found.signal.map(|word| match word {
            ControlSignal::Stop => ConnectionEvent::Stop,
            ControlSignal::CommandPending => ConnectionEvent::CommandPending,
        });
        ControlState { is_open: found.is_open, event: word }
    }

    /// What the peer does next, to be asked after [`Connection::look`]; with `write`, what is queued is written
    /// if it does nothing.
    pub fn poll_socket(
        &mut self,
        cx: &mut Context<'_>,
        hold: bool,
        write: bool,
    ) -> Poll<ConnectionEvent> {
        if self.frames_since_flush >= FRAMES_PER_FLUSH || std::mem::take(&mut self.flush_due) {
            self.frames_since_flush = 0;
            let _ = self.poll_write(cx);
        }
        // Of a connection that closes only the peer's Close is still taken, and no rate is in its way.
        let hold = matches!(self.phase, Phase::Open) && (hold || self.is_read_throttled(cx));
        if !hold && let Poll::Ready(incoming) = self.poll_read(cx) {
            self.frames_since_flush += 1;
            return Poll::Ready(incoming);
        }
        // After reading: what came while this host was held up is no silence of the peer.
        if let Poll::Ready(end) = self.poll_timeouts(cx, hold) {
            return Poll::Ready(ConnectionEvent::Closed(end));
        }
        if write {
            self.frames_since_flush = 0;
            let _ = self.poll_write(cx);
        } else {
            self.handle.outbound.register_waker(cx);
            if self.socket.has_pending_control_frames() || self.handle.outbound.has_pending() {
                // Nobody else might wake it for what lies there already.
                cx.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }

    /// Whether its plugin has heard enough for now; the task is woken when it may hear more.
    fn is_read_throttled(&mut self, cx: &mut Context<'_>) -> bool {
        is_throttled(&mut self.read_throttle, cx, &self.handle.traffic.quota, QuotaChain::read_wait)
    }

    /// Whether its plugin has said enough for now; the task is woken when it may say more.
    fn is_write_throttled(&mut self, cx: &mut Context<'_>) -> bool {
        is_throttled(
            &mut self.write_throttle,
            cx,
            &self.handle.traffic.quota,
            QuotaChain::write_wait,
        )
    }

    /// The next message, or the end of them.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionEvent> {
        loop {
            let Poll::Ready(read) = self.socket.poll_event(cx) else { return Poll::Pending };
            self.last_activity = Instant::now();
            match read {
                Ok(IncomingEvent::Message(frame)) if matches!(self.phase, Phase::Open) => {
                    self.handle.traffic.record_received(frame.len());
                    return Poll::Ready(ConnectionEvent::Message(frame));
                }
                // Messages that crossed our Close are the peer's loss, and dropped before they are inflated.
                Ok(IncomingEvent::Message(_) | IncomingEvent::Pong) => {}
                Ok(IncomingEvent::Ping(payload)) => {
                    if matches!(self.phase, Phase::Open) {
                        self.socket.queue_pong(&payload);
                    }
                }
                Ok(IncomingEvent::Close(closure)) => return self.on_peer_close(cx, closure),
                Err(ReadError::Fault(fault)) => return self.fail_connection(fault.into()),
                Err(ReadError::Disconnected) => {
                    self.handle.outbound.mark_closed();
                    return self.end_connection(ConnectionEnd::from_peer(CloseFrame::abnormal()));
                }
            }
        }
    }

    /// Writes what is queued while the socket takes it. Ready when all of it is written; in either case
    /// the task is woken when there is more to do.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.write_failed {
            self.handle.outbound.register_waker(cx);
            return Poll::Ready(());
        }
        let mute = self.is_write_throttled(cx);
        let Self { socket, handle: link, .. } = self;
        let mut closing = None;
        let wrote = socket.poll_write(cx, |encoder, batch, cx| {
            while !batch.is_full()
                && let Some(next) = link.outbound.pop_item(cx, batch.is_empty(), mute)
            {
                match next {
                    OutboundItem::Frame(frame) => {
                        link.traffic.record_sent(frame.len());
                        encoder.encode_message(batch, frame);
                    }
                    OutboundItem::Close(closure, fault) => {
                        encoder.queue_close(&closure);
                        closing = Some((closure, fault));
                        break;
                    }
                }
            }
        });
        if let Some((closure, fault)) = closing {
            self.start_closing(closure, fault);
        }
        match wrote {
            Poll::Ready(Ok(())) if mute && self.handle.outbound.has_pending() => Poll::Pending,
            Poll::Ready(Ok(())) => Poll::Ready(()),
            Poll::Ready(Err(_)) => {
                self.write_failed = true;
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

    /// The peer's time for our Close starts when it was asked for, not when it could be written: a peer
    /// that reads nothing must not hold the connection.
    fn start_closing(&mut self, closure: CloseFrame, fault: Option<Fault>) {
        if matches!(self.phase, Phase::Open) {
            if let Some(Fault::Client(ClientFault::SendQueueFull(_))) = &fault {
                self.handle.traffic.record_stalled();
            }
            let deadline = Instant::now() + self.timeouts.close_timeout;
            self.phase = Phase::Closing {
                end: Some(ConnectionEnd { close_frame: closure, fault, is_local_close: true }),
                deadline,
            };
            self.next_timeout.as_mut().reset(deadline);
            self.socket.discard_messages();
        }
    }

    /// Looks at the silence when it is time: sends a ping, or ends the connection.
    fn poll_timeouts(&mut self, cx: &mut Context<'_>, hold: bool) -> Poll<ConnectionEnd> {
        while self.next_timeout.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            // A host that was held up has not listened meanwhile: what came then is yet to be read.
            let late = now.saturating_duration_since(self.next_timeout.deadline());
            self.last_activity = (self.last_activity + late).min(now);
            let next = match &mut self.phase {
                Phase::Closing { end, deadline } if now >= *deadline => {
                    let end = end.take();
                    self.phase = Phase::Ended;
                    return end.map_or(Poll::Pending, Poll::Ready);
                }
                Phase::Closing { deadline, .. } => *deadline,
                Phase::Ended => now + self.timeouts.close_timeout,
                Phase::Open => {
                    // A part of a frame is not silence: whoever sends it cannot answer a ping.
                    // Nor is it silence if nobody listens.
                    if self.socket.take_read_flag() || hold {
                        self.last_activity = now;
                    }
                    let silence = now - self.last_activity;
                    if silence >= self.timeouts.idle_timeout {
                        let fault =
                            Fault::Client(ClientFault::IdleTimeout(self.timeouts.idle_timeout));
                        self.phase = Phase::Ended;
                        return Poll::Ready(ConnectionEnd {
                            close_frame: fault.close_frame(),
                            fault: Some(fault),
                            is_local_close: false,
                        });
                    }
                    if silence >= self.timeouts.keepalive_interval {
                        // A socket that is full has enough for the peer to read.
                        if !self.socket.is_write_blocked() {
                            self.socket.queue_ping();
                        }
                        (now + self.timeouts.keepalive_interval)
                            .min(self.last_activity + self.timeouts.idle_timeout)
                    } else {
                        self.last_activity + self.timeouts.keepalive_interval
                    }
                }
            };
            self.next_timeout.as_mut().reset(next);
        }
        Poll::Pending
    }

    fn on_peer_close(
        &mut self,
        cx: &mut Context<'_>,
        closure: CloseFrame,
    ) -> Poll<ConnectionEvent> {
        // The answer goes behind what was said before. What of it the socket does not take now, `finish` writes.
        self.handle.outbound.close(closure.clone());
        let ended = self.end_connection(ConnectionEnd::from_peer(closure));
        let _ = self.poll_write(cx);
        ended
    }

    /// The end of a connection: where this side has closed first, what it said holds.
    fn end_connection(&mut self, otherwise: ConnectionEnd) -> Poll<ConnectionEvent> {
        let phase = std::mem::replace(&mut self.phase, Phase::Ended);
        let end = match phase {
            Phase::Closing { end: Some(end), .. } => end,
            _ => otherwise,
        };
        Poll::Ready(ConnectionEvent::Closed(end))
    }

    /// The end that a fault of the peer brings.
    fn fail_connection(&mut self, fault: Fault) -> Poll<ConnectionEvent> {
        self.end_connection(ConnectionEnd {
            close_frame: fault.close_frame(),
            fault: Some(fault),
            is_local_close: false,
        })
    }
}
