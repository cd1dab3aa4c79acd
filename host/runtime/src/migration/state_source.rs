//! The saved states from which a migration restores consumers.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::call::ConnectionId;
use crate::instance::{GuestSnapshot, ModuleState};
use crate::version::Version;

/// The snapshots of consumers. `None` for a consumer whose state is in the module's state.
pub(super) type ConsumerSnapshots = FxHashMap<ConnectionId, Option<GuestSnapshot>>;

/// Where a migration takes the state of the consumers from.
pub enum StateSource {
    /// The running instance, and the snapshots that were taken of it before.
    Running(PreSnapshots),
    /// The snapshot of an earlier version. A consumer that connected later is saved by the running instance, if that
    /// instance is not dead.
    Rollback(RollbackSnapshot),
}

/// Snapshots of consumers that were taken before the migration, while the other consumers went on.
#[derive(Debug, Default)]
pub struct PreSnapshots(pub(super) ConsumerSnapshots);

impl PreSnapshots {
    /// Removes the snapshot of a consumer that has had an event since.
    pub fn invalidate(&mut self, id: ConnectionId) {
        self.0.remove(&id);
    }
}

/// The state of an instance when its consumers left it. A rollback restores from it, because an old version can seldom
/// read the state of a newer one.
pub struct RollbackSnapshot {
    pub(super) version: Arc<Version>,
    pub(super) module: ModuleState,
    pub(super) consumers: ConsumerSnapshots,
}

impl RollbackSnapshot {
    /// The version of the instance.
    pub fn version(&self) -> &Arc<Version> {
        &self.version
    }

    /// The schema and the bytes of the module's state, if it has any.
    pub fn module_state(&self) -> Option<(u32, &[u8])> {
        self.module.snapshot().map(|saved| (saved.schema, &*saved.state))
    }
}
