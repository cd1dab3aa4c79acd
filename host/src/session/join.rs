//! From a handshake to a consumer that has joined it.

use std::sync::Arc;

use super::apply::Outlet;
use super::roster::{Listed, Roster, Station};
use super::seat::{Called, Calling, Seat};

use crate::allowance::Admitted;
use crate::answer::{Acceptance, AnswerError, Rejection};
use crate::closure::Closure;
use crate::connection::Link;
use crate::fault::{Fault, GuestFault, one_line};
use crate::layer::Mailbox;
use crate::plugin::{Call, ConnectionId, Plugin, Returned};
use crate::scope::Scope;

/// How often a handshake that waited for a shared instance while that failed is brought to the next.
const REJOINS: usize = 3;

/// A consumer that has accepted its connection, and the mailbox that was made for it.
pub struct Joined {
    pub(super) roster: Arc<Roster>,
    /// Where an order reaches this session, if its consumer has an instance of its own.
    pub(super) listed: Option<Listed>,
    pub(super) link: Arc<Link>,
    pub(super) mailbox: Mailbox,
    pub(super) seat: Seat,
    pub(super) id: ConnectionId,
    scope: Arc<Scope>,
    /// Its place among those that its plugin may have.
    _admitted: Admitted,
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
    roster: &Arc<Roster>,
    mailbox: Mailbox,
    link: Arc<Link>,
    scope: Scope,
    admitted: Admitted,
) -> Joining {
    let scope = Arc::new(scope);
    let (mut seat, mut called) = connect(roster, &link, &scope).await;
    for _ in 0..REJOINS {
        if called.answer.as_ref().err() != Some(&GuestFault::InstanceGone) {
            break;
        }
        (seat, called) = connect(roster, &link, &scope).await;
    }
    roster.outlet().apply(called.effects);
    let plugin = &*roster.plugin.label;
    match called.answer {
        Ok(Returned::Accepted(id, acceptance)) => {
            let listed = seat.is_own().then(|| roster.list(Station::of_session(Arc::clone(&link))));
            let roster = Arc::clone(roster);
            let mut joined = Joined {
                roster,
                listed,
                link,
                mailbox,
                seat,
                id,
                scope: Arc::clone(&scope),
                _admitted: admitted,
            };
            match acceptance.check(&scope.subprotocols) {
                Ok(()) => {
                    joined.confirm_groups().await;
                    Joining::Accepted(acceptance, Box::new(joined))
                }
                Err(error) => {
                    joined.disconnect(Closure::abnormal()).await;
                    Joining::Rejected(bad_answer(plugin, &error))
                }
            }
        }
        Ok(Returned::Rejected(rejection)) => Joining::Rejected(match rejection.check() {
            Ok(()) => rejection,
            Err(error) => bad_answer(plugin, &error),
        }),
        Ok(_) => Joining::Rejected(Rejection::plain(500, "")),
        Err(fault) => {
            let version = roster.plugin.live().digest().short();
            let bounded = matches!(fault, GuestFault::Bounded(_));
            Fault::Guest(fault).log(plugin, link.channel.as_str(), &version);
            Joining::Rejected(if bounded {
                let full = Rejection::plain(503, "this plugin may use no more for now\n");
                full.with_header("retry-after", "1")
            } else {
                Rejection::plain(500, "the consumer failed\n")
            })
        }
    }
}

/// Takes a seat and brings the handshake there.
async fn connect(roster: &Arc<Roster>, link: &Arc<Link>, scope: &Arc<Scope>) -> (Seat, Called) {
    let mut seat = Seat::new(roster);
    let call = Call::Connect { link: Arc::clone(link), scope: Arc::clone(scope) };
    let calling = seat.connect(call);
    let called = wait(&mut seat, calling).await;
    (seat, called)
}

fn bad_answer(plugin: &str, error: &AnswerError) -> Rejection {
    let error = one_line(&error.to_string());
    tracing::warn!(plugin, "answered a handshake with what cannot be sent: {error}");
    Rejection::plain(500, "the consumer gave an answer that cannot be sent\n")
}

/// Waits for a call without attending to a socket.
async fn wait<T>(seat: &mut Seat, calling: Calling<T>) -> T {
    match calling {
        Calling::Over(answer) => answer,
        Calling::Elsewhere(running) => {
            let (answer, instance) = running.await;
            seat.put_back(instance);
            answer
        }
    }
}

impl Joined {
    /// What its handshake told.
    pub fn scope(&self) -> &Arc<Scope> {
        &self.scope
    }

    /// Whether nothing leads to its plugin any more.
    pub fn is_retired(&self) -> bool {
        self.roster.is_retired()
    }

    /// The plugin that serves it.
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.roster.plugin
    }

    /// The connection as others reach it.
    pub fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// Waits until the groups it joined are known wherever the layer keeps them: what is sent to
    /// one after the 101 reaches the consumer.
    async fn confirm_groups(&self) {
        if let Err(error) = self.roster.layer.confirm().await {
            let (plugin, channel) = self.names();
            tracing::debug!(plugin, channel, "joined without its groups for now: {error}");
        }
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
        self.outlet().apply(called.effects);
    }

    pub(super) fn outlet(&self) -> Outlet<'_> {
        self.roster.outlet()
    }

    /// Ends the connection for a fault, which is logged.
    pub(super) fn fail(&self, fault: Fault) {
        self.log(&fault);
        self.link.outbound.fail(fault);
    }

    pub(super) fn log(&self, fault: &Fault) {
        let (plugin, channel) = self.names();
        let live = || self.roster.plugin.live();
        let version = self.seat.version().cloned().unwrap_or_else(live);
        fault.log(plugin, channel, &version.digest().short());
    }

    /// Plugin and channel, for the log.
    pub(super) fn names(&self) -> (&str, &str) {
        (&self.roster.plugin.label, self.link.channel.as_str())
    }
}
