//! The summary of a migration of all instances.

use std::collections::HashMap;

use super::owner_command::MigrateResult;
use narrowboat_runtime::MigrationStats;

/// Distinct failure reasons that a summary counts.
const MAX_REASONS: usize = 16;

/// The results of a migration of all instances.
#[derive(Debug, Default)]
pub struct MigrationSummary {
    /// Counts of the consumers by result.
    pub stats: MigrationStats,
    /// Instances of which no consumer moved.
    pub unmoved_instances: u64,
    /// Instances whose guests have postponed their move.
    pub busy_instances: u64,
    /// How often each reason for a failure occurred.
    pub failure_reasons: HashMap<String, u64>,
}

impl MigrationSummary {
    pub(super) fn add(&mut self, MigrateResult { stats, error, was_busy }: MigrateResult) {
        self.stats.merge(stats);
        self.busy_instances += u64::from(was_busy);
        let Some(error) = error else { return };
        // A shared instance without consumers stays on its version too, and keeps its module's state.
        if stats.kept_old > 0 || stats == MigrationStats::default() {
            self.unmoved_instances += 1;
        }
        let reason = error.to_string();
        if self.failure_reasons.len() < MAX_REASONS || self.failure_reasons.contains_key(&reason) {
            *self.failure_reasons.entry(reason).or_default() += 1;
        }
    }
}
