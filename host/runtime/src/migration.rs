//! Moving the consumers of an instance into a new instance of another version.

mod migrate;

pub use migrate::{
    Migration, MigrationError, MigrationStats, PreSnapshots, RollbackSnapshot, StateSource,
    migrate, restart_consumers,
};
