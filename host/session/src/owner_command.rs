//! What a swap asks of those who own instances: a session of its own, a task of a shared one.

use std::sync::Arc;

use tokio::sync::oneshot;

use narrowboat_runtime::{MigrationError, MigrationStats, TrialState, Version};

/// Carried out between two events. Whoever is gone by then drops it, which the swap sees.
pub(super) enum OwnerCommand {
    /// To give what a trial of another version needs.
    CaptureTrialState(oneshot::Sender<Result<TrialState, MigrationError>>),
    /// To go to another version.
    Migrate(MigrateCommand),
}

/// An order to go to another version.
pub(super) struct MigrateCommand {
    pub(super) to: Arc<Version>,
    pub(super) direction: Direction,
    pub(super) reply: oneshot::Sender<MigrateResult>,
}

/// Which way a swap goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To a newer version, with the state of now.
    Forward,
    /// To the version before, with the state it was left with.
    Rollback,
}

/// What became of one order to move.
#[derive(Debug, Default)]
pub(super) struct MigrateResult {
    pub(super) stats: MigrationStats,
    /// Why not everyone moved.
    pub(super) error: Option<MigrationError>,
}

impl MigrateResult {
    pub(super) fn all_kept_old(count: u64, why: MigrationError) -> Self {
        Self {
            stats: MigrationStats { kept_old: count, ..MigrationStats::default() },
            error: Some(why),
        }
    }
}
