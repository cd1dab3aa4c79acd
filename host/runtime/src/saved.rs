//! What guests leave for their successors in another version.

use std::sync::Arc;

use super::call::ConnectionId;
use narrowboat_core::scope::Scope;
use narrowboat_quota::Taken;
use narrowboat_websocket::connection::Link;

/// The state of a consumer, or of a module, in whatever form its version chose.
#[derive(Debug)]
pub struct Saved {
    /// The shape of `state`, as its writer numbers it.
    pub schema: u32,
    /// The state itself.
    pub state: Vec<u8>,
    /// Room in the host's memory.
    pub(super) _room: Taken,
}

/// What a trial of another version is made with: an instance's module state and one of its
/// consumers.
#[derive(Debug)]
pub struct Sample {
    /// The module's state, if it keeps any.
    pub(super) module: Option<Saved>,
    /// One consumer, if the instance has any.
    pub(super) consumer: Option<(Passenger, Saved)>,
}

/// A consumer on its way from one instance to another.
#[derive(Debug, Clone)]
pub(super) struct Passenger {
    /// The same in both instances.
    pub(super) id: ConnectionId,
    pub(super) link: Arc<Link>,
    pub(super) scope: Arc<Scope>,
}

impl From<(ConnectionId, &Arc<Link>, &Arc<Scope>)> for Passenger {
    fn from((id, link, scope): (ConnectionId, &Arc<Link>, &Arc<Scope>)) -> Self {
        Self { id, link: Arc::clone(link), scope: Arc::clone(scope) }
    }
}
