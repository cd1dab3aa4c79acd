//! The loop that joins a connection, a consumer and a mailbox: one event at a time into the guest,
//! its effects out.

mod apply;
mod seat;
mod shared;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use crate::answer::{Acceptance, AnswerError, Rejection};
use crate::closure::Closure;
use crate::connection::{Alarm, Connection, End, Incoming, Link, TimerId};
use crate::fault::{Fault, GuestFault, HostFault};
use crate::frame::Frame;
use crate::layer::{ChannelLayer, Delivery, Mailbox};
use crate::plugin::{Call, ConnectionId, Plugin, Returned};
use crate::scope::Scope;
use apply::Outlet;
use seat::{Called, Calling, Running, Seat};

pub use shared::SharedInstances;

/// Frames read ahead while the guest is busy elsewhere, so that pings and a Close behind them are
/// still seen.
const READ_AHEAD: usize = 32;

/// Bytes read ahead.
const READ_AHEAD_BYTES: usize = 256 * 1024;

/// A payload up to this size is copied when it is kept, in bytes: a slice of the read buffer would
/// keep all of that.
const SMALL: usize = 1024;

/// A consumer that has accepted its connection, and the mailbox that was made for it.
pub struct Joined {
    plugin: Arc<Plugin>,
    layer: Arc<dyn ChannelLayer>,
    link: Arc<Link>,
    mailbox: Mailbox,
    seat: Seat,
    id: ConnectionId,
}

/// A consumer's answer to a handshake.
pub enum Joining {
    /// It takes the connection.
    Accepted(Acceptance, Box<Joined>),
    /// It does not, or it failed.
    Rejected(Rejection),
}

/// What a session does next.
enum Event {
    Frame(Frame),
    Delivery(Delivery),
    Timer(TimerId),
    Shutdown,
    Closed(End),
}

/// Brings a handshake to a new consumer of the plugin.
pub async fn join(
    plugin: &Arc<Plugin>,
    shared: Option<&SharedInstances>,
    layer: &Arc<dyn ChannelLayer>,
    mailbox: Mailbox,
    link: Arc<Link>,
    scope: Scope,
) -> Joining {
    let offered = scope.subprotocols.clone();
    let mut seat = Seat::new(plugin, shared);
    let call = Call::Connect { link: Arc::clone(&link), scope: Box::new(scope) };
    let calling = seat.connect(call);
    let called = wait(&mut seat, calling).await;
    let outlet = Outlet { tenant: &plugin.tenant, layer: &**layer, plugin: &plugin.name };
    outlet.apply(called.effects).await;
    match called.answer {
        Ok(Returned::Accepted(id, acceptance)) => {
            let (plugin, layer) = (Arc::clone(plugin), Arc::clone(layer));
            let mut joined = Joined { plugin, layer, link, mailbox, seat, id };
            match acceptance.check(&offered) {
                Ok(()) => Joining::Accepted(acceptance, Box::new(joined)),
                Err(error) => {
                    joined.disconnect(Closure::abnormal()).await;
                    Joining::Rejected(bad_answer(&joined.plugin.name, &error))
                }
            }
        }
        Ok(Returned::Rejected(rejection)) => Joining::Rejected(match rejection.check() {
            Ok(()) => rejection,
            Err(error) => bad_answer(&plugin.name, &error),
        }),
        Ok(Returned::Done) => Joining::Rejected(Rejection::plain(500, "")),
        Err(fault) => {
            Fault::Guest(fault).log(&plugin.name, link.channel.as_str());
            Joining::Rejected(Rejection::plain(500, "the consumer failed\n"))
        }
    }
}

fn bad_answer(plugin: &str, error: &AnswerError) -> Rejection {
    tracing::warn!(plugin, "answered a handshake with what cannot be sent: {error}");
    Rejection::plain(500, "the consumer gave an answer that cannot be sent\n")
}

/// Waits for a call without attending to a socket.
async fn wait(seat: &mut Seat, calling: Calling) -> Called {
    match calling {
        Calling::Over(called) => called,
        Calling::Elsewhere(call) => {
            let (called, instance) = call.await;
            seat.put_back(instance);
            called
        }
    }
}

impl Joined {
    /// The connection as others reach it.
    pub fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// The peer left before its socket was open.
    pub async fn abandon(mut self) {
        self.link.outbound.close(Closure::abnormal());
        self.disconnect(Closure::abnormal()).await;
    }

    /// Runs the session until the connection is over.
    pub async fn run(self, connection: Connection) {
        let session = Session {
            joined: self,
            connection,
            read_ahead: ReadAhead::default(),
            alarm: None,
            ended: None,
            stopping: false,
        };
        session.run().await;
    }

    /// Tells the consumer, if it still lives, that its connection is over.
    async fn disconnect(&mut self, closure: Closure) {
        let calling = self.seat.call(Call::Disconnect(self.id, closure));
        let called = wait(&mut self.seat, calling).await;
        if let Err(fault) = called.answer
            && fault != GuestFault::InstanceGone
        {
            self.log(&Fault::Guest(fault));
        }
        self.outlet().apply(called.effects).await;
    }

    fn outlet(&self) -> Outlet<'_> {
        Outlet { tenant: &self.plugin.tenant, layer: &*self.layer, plugin: &self.plugin.name }
    }

    fn log(&self, fault: &Fault) {
        fault.log(&self.plugin.name, self.link.channel.as_str());
    }
}

/// Frames that came while the guest was busy, bounded.
#[derive(Default)]
struct ReadAhead {
    frames: VecDeque<Frame>,
    bytes: usize,
}

impl ReadAhead {
    fn is_full(&self) -> bool {
        self.frames.len() >= READ_AHEAD || self.bytes >= READ_AHEAD_BYTES
    }

    fn push(&mut self, frame: Frame) {
        self.bytes += frame.len();
        self.frames.push_back(match frame {
            Frame::Binary(bytes) if bytes.len() <= SMALL => {
                Frame::Binary(Bytes::copy_from_slice(&bytes))
            }
            Frame::Text(text) if text.len() <= SMALL => Frame::Text((*text).into()),
            large => large,
        });
    }

    fn pop(&mut self) -> Option<Frame> {
        let frame = self.frames.pop_front()?;
        self.bytes -= frame.len();
        if self.frames.is_empty() {
            self.frames = VecDeque::new();
        }
        Some(frame)
    }
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
}

impl Session {
    async fn run(mut self) {
        let id = self.joined.id;
        loop {
            match self.next().await {
                Event::Frame(frame) => self.enter(Call::Receive(id, frame)).await,
                Event::Delivery(Delivery::Message(message)) => {
                    self.enter(Call::Handle(id, message)).await;
                }
                Event::Delivery(Delivery::Frame(frame)) => {
                    // At the bound the policy has acted; a refused frame is a lost delivery.
                    let _ = self.joined.link.outbound.push(frame);
                }
                Event::Timer(timer) => self.enter(Call::Timer(id, timer)).await,
                Event::Shutdown => return self.shut_down().await,
                Event::Closed(end) => return self.end(end).await,
            }
        }
    }

    /// Waits for what is next. A connection that is closing takes no more events.
    async fn next(&mut self) -> Event {
        if let Some(end) = self.ended.take() {
            return Event::Closed(end);
        }
        if self.stopping {
            return Event::Shutdown;
        }
        let open = !self.joined.link.outbound.is_closing();
        if open && let Some(frame) = self.read_ahead.pop() {
            return Event::Frame(frame);
        }
        let Self { joined: Joined { link, mailbox, .. }, connection, alarm, .. } = self;
        tokio::select! {
            incoming = connection.next(false) => match incoming {
                Incoming::Frame(frame) => Event::Frame(frame),
                Incoming::Closed(end) => Event::Closed(end),
                Incoming::Stop => Event::Shutdown,
            },
            delivery = mailbox.recv(), if open => Event::Delivery(delivery),
            timer = std::future::poll_fn(|cx| link.timers.poll_due(cx, alarm)), if open => {
                Event::Timer(timer)
            }
        }
    }

    /// One call into the guest and what follows from it.
    async fn enter(&mut self, call: Call) {
        let called = match self.joined.seat.call(call) {
            Calling::Over(called) => called,
            Calling::Elsewhere(running) => self.attend(running).await,
        };
        if !called.effects.is_empty() {
            self.joined.outlet().apply(called.effects).await;
        }
        if let Err(fault) = called.answer {
            let fault = Fault::Guest(fault);
            self.joined.log(&fault);
            self.joined.link.outbound.fail(fault);
        }
    }

    /// Goes on with the socket while a call runs elsewhere.
    async fn attend(&mut self, mut running: Running) -> Called {
        let (called, instance) = loop {
            let hold = self.read_ahead.is_full();
            tokio::select! {
                returned = &mut running => break returned,
                incoming = self.connection.next(hold), if self.ended.is_none() => match incoming {
                    Incoming::Frame(frame) => self.read_ahead.push(frame),
                    Incoming::Closed(end) => self.ended = Some(end),
                    Incoming::Stop => self.stopping = true,
                },
            }
        };
        self.joined.seat.put_back(instance);
        called
    }

    /// The host is stopping: the consumer is told first, so that it may still say goodbye.
    async fn shut_down(mut self) {
        let closure = Fault::Host(HostFault::ShuttingDown).closure();
        self.joined.disconnect(closure.clone()).await;
        self.leave(Some(closure)).await;
    }

    /// The connection is over: the consumer is told how.
    async fn end(mut self, end: End) {
        let tell = match &end.fault {
            Some(fault @ Fault::Client(_)) => {
                self.joined.log(fault);
                Some(end.closure.clone())
            }
            _ => None,
        };
        self.joined.disconnect(end.closure).await;
        self.leave(tell).await;
    }

    /// Leaves groups and channel at once, the socket when the peer is done with it.
    async fn leave(self, tell: Option<Closure>) {
        let Self { joined: Joined { mailbox, seat, .. }, connection, .. } = self;
        drop((mailbox, seat));
        connection.finish(tell).await;
    }
}
