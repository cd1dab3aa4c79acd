//! The host's side of one open socket: frames in, frames out, pings, the closing handshake.

mod closures;
mod deflate;
mod extension;
mod finish;
mod incoming;
mod link;
mod outbound;
mod outgoing;
mod patience;
mod socket;
mod stream;
mod timers;
mod traffic;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

pub(crate) use finish::linger;

pub use closures::Closures;
pub use deflate::Agreement;
pub use extension::Extension;
pub use incoming::IncomingLimits;
pub use link::Link;
pub use outbound::{Outbound, OutboundLimits, Queued, Refused};
pub use patience::Patience;
pub use socket::{Socket, Terms};
pub use stream::Stream;
pub use timers::{Alarm, TimerId, Timers};
pub use traffic::{Flow, Traffic};

use incoming::Said;
use narrowboat_core::closure::Closure;
use narrowboat_core::fault::{ClientFault, Fault};
use narrowboat_core::frame::Frame;
use narrowboat_quota::{Allowance, Bound};
use outbound::{Next, Word};
use outgoing::BATCH;
use socket::Silence;

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

/// What others have asked of a connection.
#[derive(Debug)]
pub struct Asked {
    /// It is not closing.
    pub open: bool,
    /// What the session has to be told: [`Incoming::Stop`] or [`Incoming::Summons`].
    pub word: Option<Incoming>,
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

impl End {
    /// The end that the peer brings without a fault.
    fn of_peer(closure: Closure) -> Self {
        Self { closure, fault: None, ours: false }
    }
}

/// One open socket. Polled by its session alone; others reach it through its [`Link`].
pub struct Connection {
    socket: Socket,
    link: Arc<Link>,
    patience: Patience,
    phase: Phase,
    /// When the peer was last heard.
    heard: Instant,
    /// The next moment at which silence, or a slow closing, has to be looked at.
    alarm: Pin<Box<Sleep>>,
    /// Writing failed; what the peer sent before may still be read.
    broken: bool,
    frames_since_flush: u32,
    /// So much is queued that it is written before more is read.
    full: bool,
    /// Until then its plugin has heard enough.
    deaf: Rest,
    /// Until then its plugin has said enough.
    mute: Rest,
}

/// A wait for a rate, made when there is one.
type Rest = Option<Pin<Box<Sleep>>>;

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

/// Whether a rate makes a plugin wait; the task is woken when it need not any more.
fn rests(
    rest: &mut Rest,
    cx: &mut Context<'_>,
    allowance: &Allowance,
    wait: impl Fn(&Allowance) -> Option<(Duration, Bound)>,
) -> bool {
    while let Some((wait, bound)) = wait(allowance) {
        if rest.is_none() {
            allowance.note(bound);
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
    pub fn new(socket: Socket, link: Arc<Link>, patience: Patience) -> Self {
        let heard = Instant::now();
        Self {
            socket,
            link,
            patience,
            phase: Phase::Open,
            heard,
            alarm: Box::pin(tokio::time::sleep_until(heard + patience.keepalive)),
            broken: false,
            frames_since_flush: 0,
            full: false,
            deaf: None,
            mute: None,
        }
    }

    /// Waits for what the peer does next while something else is awaited. With `hold` no frame is read, so that
    /// the peer has to wait. What is queued is written when others have had a turn, since more may come at once.
    /// Cancel safe.
    pub async fn next(&mut self, hold: bool) -> Incoming {
        let mut woken = false;
        let next = |cx: &mut Context<'_>| match self.look().word {
            Some(word) => Poll::Ready(word),
            None => self.poll_socket(cx, hold, std::mem::replace(&mut woken, true)),
        };
        std::future::poll_fn(next).await
    }

    /// Looks at what others have asked. What this task queues from now on need not wake it.
    pub fn look(&mut self) -> Asked {
        let found = self.link.outbound.look();
        if let Some((closure, fault)) = found.closing {
            self.start_closing(closure, fault);
        }
        self.full = found.queued >= BATCH;
        let word = found.word.map(|word| match word {
            Word::Stop => Incoming::Stop,
            Word::Summons => Incoming::Summons,
        });
        Asked { open: found.open, word }
    }

    /// What the peer does next, to be asked after [`Connection::look`]; with `write`, what is queued is written
    /// if it does nothing.
    pub fn poll_socket(&mut self, cx: &mut Context<'_>, hold: bool, write: bool) -> Poll<Incoming> {
        if self.frames_since_flush >= FRAMES_PER_FLUSH || std::mem::take(&mut self.full) {
            self.frames_since_flush = 0;
            let _ = self.poll_write(cx);
        }
        // Of a connection that closes only the peer's Close is still taken, and no rate is in its way.
        let hold = matches!(self.phase, Phase::Open) && (hold || self.is_deaf(cx));
        if !hold && let Poll::Ready(incoming) = self.poll_read(cx) {
            self.frames_since_flush += 1;
            return Poll::Ready(incoming);
        }
        // After reading: what came while this host was held up is no silence of the peer.
        if let Poll::Ready(end) = self.poll_alarm(cx, hold) {
            return Poll::Ready(Incoming::Closed(end));
        }
        if write {
            self.frames_since_flush = 0;
            let _ = self.poll_write(cx);
        } else {
            self.link.outbound.listen(cx);
            if self.socket.has_words() || self.link.outbound.has_more() {
                // Nobody else might wake it for what lies there already.
                cx.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }

    /// Whether its plugin has heard enough for now; the task is woken when it may hear more.
    fn is_deaf(&mut self, cx: &mut Context<'_>) -> bool {
        rests(&mut self.deaf, cx, &self.link.traffic.allowance, Allowance::deaf)
    }

    /// Whether its plugin has said enough for now; the task is woken when it may say more.
    fn is_mute(&mut self, cx: &mut Context<'_>) -> bool {
        rests(&mut self.mute, cx, &self.link.traffic.allowance, Allowance::mute)
    }

    /// The next message, or the end of them.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        loop {
            let Poll::Ready(read) = self.socket.poll_read(cx) else { return Poll::Pending };
            self.heard = Instant::now();
            match read {
                Ok(Said::Message(frame)) if matches!(self.phase, Phase::Open) => {
                    self.link.traffic.hear(frame.len());
                    return Poll::Ready(Incoming::Frame(frame));
                }
                // Messages that crossed our Close are the peer's loss, and dropped before they are inflated.
                Ok(Said::Message(_) | Said::Pong) => {}
                Ok(Said::Ping(payload)) => {
                    if matches!(self.phase, Phase::Open) {
                        self.socket.pong(&payload);
                    }
                }
                Ok(Said::Close(closure)) => return self.closed_by_peer(cx, closure),
                Err(Silence::Fault(fault)) => return self.failed(fault.into()),
                Err(Silence::Ended) => {
                    self.link.outbound.shut();
                    return self.ended(End::of_peer(Closure::abnormal()));
                }
            }
        }
    }

    /// Writes what is queued while the socket takes it. Ready when all of it is written; in either case
    /// the task is woken when there is more to do.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.broken {
            self.link.outbound.listen(cx);
            return Poll::Ready(());
        }
        let mute = self.is_mute(cx);
        let Self { socket, link, .. } = self;
        let mut closing = None;
        let wrote = socket.poll_write(cx, |encoder, batch, cx| {
            while !batch.is_full()
                && let Some(next) = link.outbound.take(cx, batch.is_empty(), mute)
            {
                match next {
                    Next::Frame(frame) => {
                        link.traffic.say(frame.len());
                        encoder.message(batch, frame);
                    }
                    Next::Close(closure, fault) => {
                        encoder.close(&closure);
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
            Poll::Ready(Ok(())) if mute && self.link.outbound.has_more() => Poll::Pending,
            Poll::Ready(Ok(())) => Poll::Ready(()),
            Poll::Ready(Err(_)) => {
                self.broken = true;
                self.link.outbound.shut();
                self.link.outbound.listen(cx);
                Poll::Ready(())
            }
            Poll::Pending => {
                self.link.outbound.listen(cx);
                Poll::Pending
            }
        }
    }

    /// The peer's time for our Close starts when it was asked for, not when it could be written: a peer
    /// that reads nothing must not hold the connection.
    fn start_closing(&mut self, closure: Closure, fault: Option<Fault>) {
        if matches!(self.phase, Phase::Open) {
            if let Some(Fault::Client(ClientFault::Stalled(_))) = &fault {
                self.link.traffic.stall();
            }
            let deadline = Instant::now() + self.patience.close;
            self.phase = Phase::Closing { end: Some(End { closure, fault, ours: true }), deadline };
            self.alarm.as_mut().reset(deadline);
            self.socket.discard();
        }
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
                    if self.socket.take_heard() || hold {
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
                        // A socket that is full has enough for the peer to read.
                        if !self.socket.is_blocked() {
                            self.socket.ping();
                        }
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

    fn closed_by_peer(&mut self, cx: &mut Context<'_>, closure: Closure) -> Poll<Incoming> {
        // The answer goes behind what was said before. What of it the socket does not take now, `finish` writes.
        self.link.outbound.close(closure.clone());
        let ended = self.ended(End::of_peer(closure));
        let _ = self.poll_write(cx);
        ended
    }

    /// The end of a connection: where this side has closed first, what it said holds.
    fn ended(&mut self, otherwise: End) -> Poll<Incoming> {
        let phase = std::mem::replace(&mut self.phase, Phase::Ended);
        let end = match phase {
            Phase::Closing { end: Some(end), .. } => end,
            _ => otherwise,
        };
        Poll::Ready(Incoming::Closed(end))
    }

    /// The end that a fault of the peer brings.
    fn failed(&mut self, fault: Fault) -> Poll<Incoming> {
        self.ended(End { closure: fault.closure(), fault: Some(fault), ours: false })
    }
}
