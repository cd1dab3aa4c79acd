//! The results of a migration for its consumers.

use std::time::Duration;

/// The results of a migration for its consumers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MigrationStats {
    /// Consumers that moved with their state.
    pub moved: u64,
    /// Consumers that started afresh, by the policy `restart`.
    pub restarted: u64,
    /// Connections that were closed, by the policy `close`.
    pub closed: u64,
    /// Consumers that stay on their old version.
    pub kept_old: u64,
    /// Events whose changes of state a rollback has undone.
    pub lost_events: u64,
    /// The duration of the longest migration of one instance, during which its consumers waited.
    pub max_pause: Duration,
}

impl MigrationStats {
    /// Adds the stats of another migration.
    pub fn merge(&mut self, other: Self) {
        self.moved += other.moved;
        self.restarted += other.restarted;
        self.closed += other.closed;
        self.kept_old += other.kept_old;
        self.lost_events += other.lost_events;
        self.max_pause = self.max_pause.max(other.max_pause);
    }
}
