//! Commands of a rollout to the owners of instances.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use narrowboat_runtime::{MigrationError, MigrationStats, TrialState, Version};

/// A command, which its owner runs between two events. An owner that ends before that drops the command, and the
/// reply channel closes.
pub(super) enum OwnerCommand {
    /// Captures the state for a trial of another version.
    CaptureTrialState(oneshot::Sender<Result<TrialState, MigrationError>>),
    /// Migrates the instance to another version.
    Migrate(MigrateCommand),
}

/// A command to migrate an instance.
pub(super) struct MigrateCommand {
    pub(super) to: Arc<Version>,
    pub(super) direction: Direction,
    pub(super) reply: oneshot::Sender<MigrateResult>,
    /// One of the migrations that run at a time. Released when the guest postpones the move.
    pub(super) slot: OwnedSemaphorePermit,
}

/// The direction of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To a newer version, with the current state.
    Forward,
    /// To the previous version, with the state that the instance left it with.
    Rollback,
    /// To another instance of the same version, with the last checkpoint, after a trap.
    Restart,
}

/// The result of a [`MigrateCommand`].
#[derive(Debug, Default)]
pub(super) struct MigrateResult {
    pub(super) stats: MigrationStats,
    /// Why not all consumers moved.
    pub(super) error: Option<MigrationError>,
    /// Whether the guest has postponed the move, because its code waited.
    pub(super) was_busy: bool,
}

impl MigrateResult {
    /// The result if `count` consumers stay on their version because of `error`.
    pub(super) fn all_kept_old(count: u64, error: MigrationError) -> Self {
        Self {
            stats: MigrationStats { kept_old: count, ..MigrationStats::default() },
            error: Some(error),
            was_busy: false,
        }
    }
}
