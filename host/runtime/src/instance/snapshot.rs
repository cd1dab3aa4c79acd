//! What guests leave for their successors in another version.

use std::sync::Arc;

use crate::call::ConnectionId;
use narrowboat_core::scope::Scope;
use narrowboat_quota::Reservation;
use narrowboat_websocket::connection::ConnectionHandle;

/// The state of a consumer, or of a module, in whatever form its version chose.
#[derive(Debug)]
pub struct GuestSnapshot {
    /// The shape of `state`, as its writer numbers it.
    pub schema: u32,
    /// The state itself.
    pub state: Vec<u8>,
    /// Room in the host's memory.
    pub(crate) _reservation: Reservation,
}

/// What a trial of another version is made with: an instance's module state and one of its
/// consumers.
#[derive(Debug)]
pub struct TrialState {
    /// The module's state, if it keeps any.
    pub(crate) module: Option<GuestSnapshot>,
    /// One consumer, if the instance has any.
    pub(crate) consumer: Option<(MigratingConsumer, GuestSnapshot)>,
}

/// A consumer on its way from one instance to another.
#[derive(Debug, Clone)]
pub(crate) struct MigratingConsumer {
    /// The same in both instances.
    pub(crate) id: ConnectionId,
    pub(crate) connection: Arc<ConnectionHandle>,
    pub(crate) scope: Arc<Scope>,
}

impl From<(ConnectionId, &Arc<ConnectionHandle>, &Arc<Scope>)> for MigratingConsumer {
    fn from((id, link, scope): (ConnectionId, &Arc<ConnectionHandle>, &Arc<Scope>)) -> Self {
        Self { id, connection: Arc::clone(link), scope: Arc::clone(scope) }
    }
}
