//! Moving the consumers of an instance into a new instance of another version.

mod migrate;
mod migration_error;
mod migration_stats;
mod migration_target;
mod state_source;
mod trial_state;

pub use migrate::{Migration, MovePatience, migrate, restart_consumers};
pub use migration_error::MigrationError;
pub use migration_stats::MigrationStats;
pub use state_source::{PreSnapshots, StateSource};
pub use trial_state::TrialState;
