//! The state that an instance saves for its successor.

use std::sync::Arc;

use crate::call::ConnectionId;
use narrowboat_core::scope::Scope;
use narrowboat_quota::{QuotaChain, QuotaResource, Reservation};
use narrowboat_websocket::connection::ConnectionHandle;

/// The saved state of a consumer or of a module, in a format that its version defines.
#[derive(Debug)]
pub struct GuestSnapshot {
    /// The number that the version gives to the format of `state`.
    pub schema: u32,
    /// The state.
    pub state: Vec<u8>,
    /// The reserved memory of the host.
    pub(super) _reservation: Reservation,
}

impl GuestSnapshot {
    /// A snapshot, for which memory of the host is reserved; `None` if the quota has no room for it.
    pub(crate) fn reserve(quota: &Arc<QuotaChain>, schema: u32, state: Vec<u8>) -> Option<Self> {
        let reservation = quota.try_reserve(QuotaResource::SnapshotBytes, state.len()).ok()?;
        Some(Self { schema, state, _reservation: reservation })
    }
}

/// The answer of a guest to `snapshot`.
pub(crate) enum ConsumerState {
    Saved(GuestSnapshot),
    /// The code of the consumer waits, so it cannot be saved now.
    Busy,
}

/// The answer of a guest to `save-module`.
#[derive(Debug)]
pub(crate) enum ModuleState {
    None,
    /// The state that the consumers share.
    Shared(GuestSnapshot),
    /// The state of the module and of all its consumers.
    WithConsumers(GuestSnapshot),
    /// The code of the module or of a consumer waits, so it cannot be saved now.
    Busy,
}

impl ModuleState {
    /// The state that `load-module` loads.
    pub(crate) fn snapshot(&self) -> Option<&GuestSnapshot> {
        match self {
            Self::Shared(saved) | Self::WithConsumers(saved) => Some(saved),
            Self::None | Self::Busy => None,
        }
    }
}

/// A consumer that moves from one instance to another.
#[derive(Debug, Clone)]
pub(crate) struct MigratingConsumer {
    /// The identifier, which is the same in both instances.
    pub(crate) id: ConnectionId,
    pub(crate) connection: Arc<ConnectionHandle>,
    pub(crate) scope: Arc<Scope>,
}

impl From<(ConnectionId, &Arc<ConnectionHandle>, &Arc<Scope>)> for MigratingConsumer {
    fn from((id, connection, scope): (ConnectionId, &Arc<ConnectionHandle>, &Arc<Scope>)) -> Self {
        Self { id, connection: Arc::clone(connection), scope: Arc::clone(scope) }
    }
}
