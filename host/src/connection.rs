//! The host's side of one open socket: frames in, frames out, pings, the closing handshake.

mod finish;
mod link;
mod outbound;
mod tcp;
mod timers;
mod traffic;
mod wire;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use futures_util::{Sink, Stream};
use tokio::time::{Instant, Sleep};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message};

pub(crate) use finish::linger;
pub(crate) use wire::websocket_config;

pub use link::Link;
pub use outbound::{Outbound, OutboundLimits, Refused};
pub use tcp::Tcp;
pub use timers::{Alarm, MAX_TIMERS, TimerId, Timers};
pub use traffic::{Flow, Traffic};

use crate::closure::Closure;
use crate::config::Limits;
use crate::fault::{ClientFault, Fault};
use crate::frame::Frame;
use outbound::{Next, Word};

/// Frames handed out before what they caused is flushed, even if more can be read.
const FRAMES_PER_FLUSH: u32 = 64;

/// What the peer did.
#[derive(Debug)]
pub enum Incoming {
    /// A whole message.
    Frame(Frame),
    /// The connection is over, or about to be: call [`Connection::finish`].
    Closed(End),
    /// The host has begun to stop; told once.
    Stop,
    /// An order lies ready for the session.
    Summons,
}

/// How a connection came to its end.
#[derive(Debug)]
pub struct End {
    /// What the consumer is told.
    pub closure: Closure,
    /// Whose fault it was, if it was one.
    pub fault: Option<Fault>,
    /// Whether this side closed first: what the peer still sent is its loss then.
    pub ours: bool,
}

/// The spans that end or keep a silent connection.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    keepalive: Duration,
    idle: Duration,
    close: Duration,
}

impl From<&Limits> for Patience {
    fn from(limits: &Limits) -> Self {
        Self {
            keepalive: limits.keepalive.duration(),
            idle: limits.idle_timeout.duration(),
            close: limits.close_timeout.duration(),
        }
    }
}

/// One open socket. Polled by its session alone; others reach it through its [`Link`].
pub struct Connection {
    socket: WebSocketStream<Tcp>,
    link: Arc<Link>,
    patience: Patience,
    phase: Phase,
    /// When the peer was last heard.
    heard: Instant,
    /// The next moment at which silence, or a slow closing, has to be looked at.
    alarm: Pin<Box<Sleep>>,
    writing: Writing,
    frames_since_flush: u32,
}

/// Where the closing handshake stands.
enum Phase {
    Open,
    /// This side closes: a Close frame is queued or sent, and the peer has until the deadline.
    Closing {
        end: Option<End>,
        deadline: Instant,
    },
    /// The session has been told the end.
    Ended,
}

/// Where the write side stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writing {
    Flushed,
    Unflushed,
    /// The peer takes nothing: what has been handed to the socket has to go before more is.
    Blocked,
    /// Writing failed; what the peer sent before may still be read.
    Broken,
}

impl Connection {
    /// Takes over a socket whose handshake is done.
    pub fn new(socket: WebSocketStream<Tcp>, link: Arc<Link>, patience: Patience) -> Self {
        let heard = Instant::now();
        Self {
            socket,
            link,
            patience,
            phase: Phase::Open,
            heard,
            alarm: Box::pin(tokio::time::sleep_until(heard + patience.keepalive)),
            writing: Writing::Flushed,
            frames_since_flush: 0,
        }
    }

    /// Waits for what the peer does next, writing what is queued meanwhile. With `hold` no frame is
    /// read, so that the peer has to wait. Cancel safe.
    pub async fn next(&mut self, hold: bool) -> Incoming {
        std::future::poll_fn(|cx| self.poll_next(cx, hold)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, hold: bool) -> Poll<Incoming> {
        match self.look(cx) {
            Some(Word::Stop) => return Poll::Ready(Incoming::Stop),
            Some(Word::Summons) => return Poll::Ready(Incoming::Summons),
            None => {}
        }
        self.feed(cx);
        if !hold
            && self.frames_since_flush < FRAMES_PER_FLUSH
            && let Poll::Ready(incoming) = self.poll_read(cx)
        {
            self.frames_since_flush += 1;
            self.link.outbound.attend();
            return Poll::Ready(incoming);
        }
        // After reading: what came while this host was held up is no silence of the peer.
        if let Poll::Ready(end) = self.poll_alarm(cx, hold) {
            return Poll::Ready(Incoming::Closed(end));
        }
        let flushing = self.frames_since_flush >= FRAMES_PER_FLUSH;
        self.frames_since_flush = 0;
        self.flush(cx);
        if flushing && !hold { self.poll_read(cx) } else { Poll::Pending }
    }

    /// The next message, or the end of them.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        loop {
            let Poll::Ready(read) = Pin::new(&mut self.socket).poll_next(cx) else {
                return Poll::Pending;
            };
            self.heard = Instant::now();
            match read {
                Some(Ok(Message::Text(text))) => match ByteString::try_from(Bytes::from(text)) {
                    Ok(text) if matches!(self.phase, Phase::Open) => {
                        self.link.traffic.received.count(text.len());
                        return Poll::Ready(Incoming::Frame(Frame::Text(text)));
                    }
                    Ok(_) => {}
                    Err(_) => return self.end(ClientFault::BadText.into()),
                },
                Some(Ok(Message::Binary(bytes))) if matches!(self.phase, Phase::Open) => {
                    self.link.traffic.received.count(bytes.len());
                    return Poll::Ready(Incoming::Frame(Frame::Binary(bytes)));
                }
                // Frames that crossed our Close are the peer's loss; pings tungstenite answers.
                Some(Ok(
                    Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_),
                )) => {}
                Some(Ok(Message::Close(close))) => return self.closed_by_peer(cx, close),
                Some(Err(error)) => return self.broken(&error),
                None => return self.ended(Closure::abnormal()),
            }
        }
    }

    /// Moves queued frames to the socket while it takes them.
    fn feed(&mut self, cx: &mut Context<'_>) {
        while self.writing != Writing::Broken {
            match Pin::new(&mut self.socket).poll_ready(cx) {
                Poll::Ready(Ok(())) if self.writing == Writing::Blocked => {
                    self.writing = Writing::Unflushed;
                    self.link.outbound.written();
                }
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return self.break_writing(),
                Poll::Pending => {
                    self.writing = Writing::Blocked;
                    return;
                }
            }
            let Some(next) = self.link.outbound.take() else { return };
            self.write(next);
        }
    }

    fn write(&mut self, next: Next) {
        if let Next::Frame(frame) = &next {
            self.link.traffic.sent.count(frame.len());
        }
        match Pin::new(&mut self.socket).start_send(wire::message(next)) {
            Ok(()) => self.writing = Writing::Unflushed,
            Err(_) => self.break_writing(),
        }
    }

    /// Writes what was handed to the socket, and what had to wait for that.
    fn flush(&mut self, cx: &mut Context<'_>) {
        while matches!(self.writing, Writing::Unflushed | Writing::Blocked) {
            let blocked = self.writing == Writing::Blocked;
            match Pin::new(&mut self.socket).poll_flush(cx) {
                Poll::Ready(Ok(())) => {
                    self.writing = Writing::Flushed;
                    self.link.outbound.written();
                }
                Poll::Ready(Err(_)) => self.break_writing(),
                Poll::Pending => return,
            }
            if blocked {
                self.feed(cx);
            }
        }
    }

    fn break_writing(&mut self) {
        self.writing = Writing::Broken;
        self.link.outbound.shut();
    }

    /// Looks at what others asked of this connection, and what they have to tell its session.
    ///
    /// The peer's time for our Close starts when it was asked for, not when it could be written: a
    /// peer that reads nothing must not hold the connection.
    fn look(&mut self, cx: &Context<'_>) -> Option<Word> {
        let found = self.link.outbound.look(cx);
        if matches!(self.phase, Phase::Open)
            && let Some((closure, fault)) = found.closing
        {
            let deadline = Instant::now() + self.patience.close;
            self.phase = Phase::Closing { end: Some(End { closure, fault, ours: true }), deadline };
            self.alarm.as_mut().reset(deadline);
        }
        found.word
    }

    /// Looks at the silence when it is time: sends a ping, or ends the connection.
    fn poll_alarm(&mut self, cx: &mut Context<'_>, hold: bool) -> Poll<End> {
        while self.alarm.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            // A host that was held up has not listened meanwhile: what came then is yet to be read.
            let late = now.saturating_duration_since(self.alarm.deadline());
            self.heard = (self.heard + late).min(now);
            let next = match &mut self.phase {
                Phase::Closing { end, deadline } if now >= *deadline => {
                    let end = end.take();
                    self.phase = Phase::Ended;
                    return end.map_or(Poll::Pending, Poll::Ready);
                }
                Phase::Closing { deadline, .. } => *deadline,
                Phase::Ended => now + self.patience.close,
                Phase::Open => {
                    // A part of a frame is not silence: whoever sends it cannot answer a ping.
                    // Nor is it silence if nobody listens.
                    if self.socket.get_mut().take_heard() || hold {
                        self.heard = now;
                    }
                    let silence = now - self.heard;
                    if silence >= self.patience.idle {
                        let fault = Fault::Client(ClientFault::Idle(self.patience.idle));
                        self.phase = Phase::Ended;
                        return Poll::Ready(End {
                            closure: fault.closure(),
                            fault: Some(fault),
                            ours: false,
                        });
                    }
                    if silence >= self.patience.keepalive {
                        self.ping(cx);
                        (now + self.patience.keepalive).min(self.heard + self.patience.idle)
                    } else {
                        self.heard + self.patience.keepalive
                    }
                }
            };
            self.alarm.as_mut().reset(next);
        }
        Poll::Pending
    }

    /// Sends a ping unless the socket is full, in which case the peer has enough to read.
    fn ping(&mut self, cx: &mut Context<'_>) {
        if self.writing != Writing::Broken
            && let Poll::Ready(Ok(())) = Pin::new(&mut self.socket).poll_ready(cx)
            && Pin::new(&mut self.socket).start_send(Message::Ping(Bytes::new())).is_ok()
        {
            self.writing = Writing::Unflushed;
        }
    }

    fn closed_by_peer(
        &mut self,
        cx: &mut Context<'_>,
        close: Option<CloseFrame>,
    ) -> Poll<Incoming> {
        // The answer goes out before the consumer is told, however long that takes.
        let _ = Pin::new(&mut self.socket).poll_flush(cx);
        self.ended(wire::closure(close))
    }

    /// The end of a connection that is nobody's fault: what this side said first holds.
    fn ended(&mut self, heard: Closure) -> Poll<Incoming> {
        let phase = std::mem::replace(&mut self.phase, Phase::Ended);
        self.link.outbound.shut();
        let end = match phase {
            Phase::Closing { end: Some(end), .. } => end,
            _ => End { closure: heard, fault: None, ours: false },
        };
        Poll::Ready(Incoming::Closed(end))
    }

    /// The end that a fault of the peer brings.
    fn end(&mut self, fault: Fault) -> Poll<Incoming> {
        self.phase = Phase::Ended;
        Poll::Ready(Incoming::Closed(End {
            closure: fault.closure(),
            fault: Some(fault),
            ours: false,
        }))
    }

    fn broken(&mut self, error: &Error) -> Poll<Incoming> {
        match wire::fault(error) {
            Some(fault) => self.end(fault.into()),
            None => self.ended(Closure::abnormal()),
        }
    }
}
