//! From a handshake to a consumer that has joined it.

use std::sync::Arc;

use super::apply::Outlet;
use super::seat::{Called, Calling, Seat};
use super::shared::SharedInstances;
use crate::answer::{Acceptance, AnswerError, Rejection};
use crate::closure::Closure;
use crate::connection::Link;
use crate::fault::{Fault, GuestFault};
use crate::layer::{ChannelLayer, Mailbox};
use crate::plugin::{Call, ConnectionId, Plugin, Returned};
use crate::scope::Scope;

/// How often a handshake that waited for a shared instance while that failed is brought to the next.
const REJOINS: usize = 3;

/// A consumer that has accepted its connection, and the mailbox that was made for it.
pub struct Joined {
    plugin: Arc<Plugin>,
    layer: Arc<dyn ChannelLayer>,
    pub(super) link: Arc<Link>,
    pub(super) mailbox: Mailbox,
    pub(super) seat: Seat,
    pub(super) id: ConnectionId,
}

/// A consumer's answer to a handshake.
pub enum Joining {
    /// It takes the connection.
    Accepted(Acceptance, Box<Joined>),
    /// It does not, or it failed.
    Rejected(Rejection),
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
    let scope = Arc::new(scope);
    let (mut seat, mut called) = connect(plugin, shared, &link, &scope).await;
    for _ in 0..REJOINS {
        if called.answer.as_ref().err() != Some(&GuestFault::InstanceGone) {
            break;
        }
        (seat, called) = connect(plugin, shared, &link, &scope).await;
    }
    let outlet = Outlet { tenant: &plugin.tenant, layer: &**layer, plugin: &plugin.name };
    outlet.apply(called.effects).await;
    match called.answer {
        Ok(Returned::Accepted(id, acceptance)) => {
            let (plugin, layer) = (Arc::clone(plugin), Arc::clone(layer));
            let mut joined = Joined { plugin, layer, link, mailbox, seat, id };
            match acceptance.check(&scope.subprotocols) {
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

/// Takes a seat and brings the handshake there.
async fn connect(
    plugin: &Arc<Plugin>,
    shared: Option<&SharedInstances>,
    link: &Arc<Link>,
    scope: &Arc<Scope>,
) -> (Seat, Called) {
    let mut seat = Seat::new(plugin, shared);
    let call = Call::Connect { link: Arc::clone(link), scope: Arc::clone(scope) };
    let calling = seat.connect(call);
    let called = wait(&mut seat, calling).await;
    (seat, called)
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

    /// Tells the consumer, if it still lives, that its connection is over.
    pub(super) async fn disconnect(&mut self, closure: Closure) {
        let calling = self.seat.call(Call::Disconnect(self.id, closure));
        let called = wait(&mut self.seat, calling).await;
        if let Err(fault) = called.answer
            && fault != GuestFault::InstanceGone
        {
            self.log(&Fault::Guest(fault));
        }
        self.outlet().apply(called.effects).await;
    }

    pub(super) fn outlet(&self) -> Outlet<'_> {
        Outlet { tenant: &self.plugin.tenant, layer: &*self.layer, plugin: &self.plugin.name }
    }

    pub(super) fn log(&self, fault: &Fault) {
        let (plugin, channel) = self.names();
        fault.log(plugin, channel);
    }

    /// Plugin and channel, for the log.
    pub(super) fn names(&self) -> (&str, &str) {
        (&self.plugin.name, self.link.channel.as_str())
    }
}
