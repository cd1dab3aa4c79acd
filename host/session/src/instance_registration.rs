//! The registration of an owner in the registry.

use std::sync::Arc;

use super::instance_owner::InstanceOwner;
use super::instance_registry::InstanceRegistry;
use super::owner_command::{Direction, OwnerCommand};
use narrowboat_runtime::{InstanceSnapshot, PreSnapshots, Sha256Digest, StateSource};

/// The registration of an owner. Dropping it removes the owner from the registry, and with it the owner's rollback
/// snapshot and its pending command.
pub(super) struct InstanceRegistration {
    registry: Arc<InstanceRegistry>,
    id: u64,
    owner: Arc<InstanceOwner>,
}

impl InstanceRegistration {
    pub(super) fn new(registry: &Arc<InstanceRegistry>, owner: InstanceOwner) -> Self {
        let (registry, owner) = (Arc::clone(registry), Arc::new(owner));
        let id = registry.add_owner(Arc::clone(&owner));
        Self { registry, id, owner }
    }

    /// Takes the pending command, if there is one.
    pub(super) fn take_command(&self) -> Option<OwnerCommand> {
        self.owner.take_command()
    }

    /// Keeps the state that the instance left the previous version with, while the new version is watched; drops it
    /// otherwise.
    pub(super) fn store_snapshot(&self, snapshot: InstanceSnapshot) {
        self.registry.store_snapshot(self.id, snapshot);
    }

    /// Takes the state that the instance left the previous version with.
    pub(super) fn take_snapshot(&self) -> Option<InstanceSnapshot> {
        self.registry.take_snapshot(self.id)
    }

    /// Whether the state is kept that the instance left the previous version with.
    pub(super) fn has_snapshot(&self) -> bool {
        self.registry.has_snapshot(self.id)
    }

    /// Whether rollback snapshots are kept, because the live version may be rolled back.
    pub(super) fn keeps_snapshots(&self) -> bool {
        self.registry.keeps_snapshots()
    }

    /// The version that the instance has left, with the schema and the state of its module, if they are kept.
    pub(super) fn left_state(&self) -> Option<(Sha256Digest, u32, Vec<u8>)> {
        self.registry.left_state(self.id)
    }

    /// Returns the state to migrate with: the running instance's, for which `pre_snapshots` serve, or the state that
    /// was kept for a rollback.
    pub(super) fn state_source(
        &self,
        direction: Direction,
        pre_snapshots: PreSnapshots,
    ) -> StateSource {
        let snapshot = match direction {
            Direction::Forward | Direction::Restart => None,
            Direction::Rollback => self.take_snapshot(),
        };
        snapshot.map_or(StateSource::Running(pre_snapshots), StateSource::Rollback)
    }

    /// Tells the rollout that a shared instance has rolled itself back.
    pub(super) fn notify_self_rollback(&self) {
        self.registry.notify_self_rollback();
    }
}

impl Drop for InstanceRegistration {
    fn drop(&mut self) {
        self.registry.remove_owner(self.id);
        // A rollout may wait for the reply to a command that this owner never took.
        drop(self.take_command());
    }
}
