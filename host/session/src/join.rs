//! From a handshake to a consumer that has joined it.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::abandon::{self, Abandoned};
use super::apply::Outlet;
use super::roster::{Listed, Roster, Station};
use super::seat::{Called, Seat, wait};

use narrowboat_channels::Mailbox;
use narrowboat_core::answer::{Acceptance, AnswerError, Rejection};
use narrowboat_core::closure::Closure;
use narrowboat_core::fault::{Fault, GuestFault, one_line};
use narrowboat_core::scope::Scope;
use narrowboat_quota::Admitted;
use narrowboat_runtime::{Call, ConnectionId, Plugin, Returned};
use narrowboat_websocket::connection::Link;

/// How often a handshake that waited for a shared instance while that failed is brought to the next.
const REJOINS: usize = 3;

/// The places that a connection takes of the host and of its plugin, until this is dropped.
#[derive(Debug)]
pub struct Permits {
    /// Of `max_connections`.
    pub host: Arc<OwnedSemaphorePermit>,
    /// Of what its plugin may have.
    pub plugin: Admitted,
}

/// A consumer that has accepted its connection, and the mailbox that was made for it. Its consumer's `disconnect` is
/// called once: by whoever ends the connection, or with 1006 when this is dropped before that, whatever drops it.
pub struct Joined {
    pub(super) roster: Arc<Roster>,
    /// Where an order reaches this session, if its consumer has an instance of its own.
    pub(super) listed: Option<Listed>,
    pub(super) link: Arc<Link>,
    pub(super) mailbox: Mailbox,
    pub(super) seat: Seat,
    pub(super) id: ConnectionId,
    scope: Arc<Scope>,
    permits: Arc<Permits>,
    /// Its `disconnect` has been called, or will be.
    disconnected: bool,
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
    permits: Permits,
) -> Joining {
    let scope = Arc::new(scope);
    let permits = Arc::new(permits);
    let (roster, link) = (Arc::clone(roster), link);
    let undo = Abandoned { roster, link, permits };
    let (mut seat, mut called) = connect(&undo, &scope).await;
    for _ in 0..REJOINS {
        if called.answer.as_ref().err() != Some(&GuestFault::InstanceGone) {
            break;
        }
        (seat, called) = connect(&undo, &scope).await;
    }
    // From here to `Joined`, whose drop undoes what was accepted, there must be no await.
    let Abandoned { roster, link, permits } = undo;
    roster.outlet().apply(called.effects);
    let plugin = &*roster.plugin.label;
    match called.answer {
        Ok(Returned::Accepted(id, acceptance)) => {
            let listed = seat.is_own().then(|| roster.list(Station::of_session(Arc::clone(&link))));
            let joined = Joined {
                roster: Arc::clone(&roster),
                listed,
                link,
                mailbox,
                seat,
                id,
                scope: Arc::clone(&scope),
                permits,
                disconnected: false,
            };
            match acceptance.check(&scope.subprotocols) {
                Ok(()) => {
                    joined.confirm_groups().await;
                    Joining::Accepted(acceptance, Box::new(joined))
                }
                // Its consumer is told by the drop, which an end of this handshake does not stop.
                Err(error) => Joining::Rejected(bad_answer(plugin, &error)),
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

/// Takes a seat and brings the handshake there. Dropped, it leaves no consumer behind.
async fn connect(undo: &Abandoned, scope: &Arc<Scope>) -> (Seat, Called) {
    let mut seat = Seat::new(&undo.roster);
    let call = Call::Connect { link: Arc::clone(&undo.link), scope: Arc::clone(scope) };
    let calling = seat.connect(call, undo);
    let called = wait(&mut seat, calling).await;
    (seat, called)
}

fn bad_answer(plugin: &str, error: &AnswerError) -> Rejection {
    let error = one_line(&error.to_string());
    tracing::warn!(plugin, "answered a handshake with what cannot be sent: {error}");
    Rejection::plain(500, "the consumer gave an answer that cannot be sent\n")
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

    /// Tells the consumer, if it still lives, that its connection is over. To be awaited to its end.
    pub(super) async fn disconnect(&mut self, closure: Closure) {
        self.disconnected = true;
        let Self { roster, link, seat, id, .. } = self;
        abandon::disconnect(roster, link, seat, *id, closure).await;
    }

    /// The places it takes, for whoever goes on with its socket.
    pub(super) fn permits(&self) -> Arc<Permits> {
        Arc::clone(&self.permits)
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

impl Drop for Joined {
    fn drop(&mut self) {
        if self.disconnected {
            return;
        }
        let seat = self.seat.vacate();
        let Self { roster, link, permits, .. } = self;
        let (roster, link, permits) = (Arc::clone(roster), Arc::clone(link), Arc::clone(permits));
        Abandoned { roster, link, permits }.disconnect(seat, self.id);
    }
}
