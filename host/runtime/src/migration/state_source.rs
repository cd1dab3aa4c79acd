//! The saved states from which a migration restores consumers.

use crate::call::ConnectionId;
use crate::instance::{ConsumerSnapshots, InstanceSnapshot};

/// Where a migration takes the state of the consumers from.
pub enum StateSource {
    /// The running instance, and the snapshots that were taken of it before.
    Running(PreSnapshots),
    /// The snapshot of an earlier version, or the last checkpoint of an instance that has trapped. A consumer that connected later is saved by the running instance, if that
    /// instance is not dead.
    Rollback(InstanceSnapshot),
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
