//! Moves all consumers of an instance into a new instance: first the state of the module, then every consumer.

use std::sync::Arc;
use std::time::Instant;

use rustc_hash::FxHashMap;

use super::migration_error::MigrationError;
use super::migration_stats::MigrationStats;
use super::migration_target::MigrationTarget;
use super::state_source::{ConsumerSnapshots, RollbackSnapshot, StateSource};
use crate::call::ConnectionId;
use crate::effects::Effect;
use crate::instance::{Instance, MigratingConsumer};
use crate::version::Version;
use narrowboat_config::FailedMovePolicy;
use narrowboat_core::fault::GuestFault;

/// The result of a migration that took place.
pub struct Migration {
    /// The old instance, to be dropped.
    pub old_instance: Box<Instance>,
    /// The effects of `load-module` and of each `restore`.
    pub effects: Vec<Effect>,
    /// The state of the old instance, for a rollback.
    pub rollback_snapshot: RollbackSnapshot,
    /// The results for the consumers.
    pub stats: MigrationStats,
}

/// Moves all consumers of `instance` into a new instance of `to` and replaces `instance` with it. Consumers keep their
/// identifiers. `policy` says what happens to a consumer that cannot move; with [`FailedMovePolicy::KeepOld`], such a
/// consumer fails the whole migration.
///
/// # Errors
/// No consumer has moved. `instance` can still be called, unless its fault is fatal.
pub fn migrate(
    instance: &mut Box<Instance>,
    to: Arc<Version>,
    source: StateSource,
    policy: FailedMovePolicy,
) -> Result<Migration, MigrationError> {
    let started = Instant::now();
    let old = &mut **instance;
    let consumers = old.migrating_consumers();
    let lost_events = match &source {
        StateSource::Running(_) => 0,
        StateSource::Rollback(_) => old.event_count(),
    };
    let (snapshot, failures) = snapshot_all(old, &consumers, source, policy)?;
    let mut target = MigrationTarget::start(to, old, &snapshot, policy)?;
    for consumer in &consumers {
        match snapshot.consumers.get(&consumer.id) {
            Some(saved) => target.restore_consumer(consumer, saved)?,
            None => {
                let failure = failures
                    .get(&consumer.id)
                    .cloned()
                    .unwrap_or(MigrationError::Snapshot(GuestFault::SharedInstanceFailed));
                target.apply_failed_move_policy(consumer, failure)?;
            }
        }
    }
    let (new_instance, effects, mut stats) = target.into_parts();
    let old_instance = std::mem::replace(instance, Box::new(new_instance));
    stats.lost_events = lost_events;
    stats.max_pause = started.elapsed();
    Ok(Migration { old_instance, effects, rollback_snapshot: snapshot, stats })
}

/// Creates a new instance of `to` without state, with a fresh consumer for each consumer of `old`.
///
/// # Errors
/// `old` is unchanged.
pub fn restart_consumers(
    old: &Instance,
    to: Arc<Version>,
) -> Result<(Box<Instance>, Vec<Effect>), MigrationError> {
    let mut instance = Instance::new_successor(to).map_err(MigrationError::Start)?;
    instance.inherit_ids_from(old);
    let mut effects = Vec::new();
    for consumer in old.migrating_consumers() {
        instance.restart_consumer(&consumer).map_err(MigrationError::Restart)?;
        effects.append(&mut instance.take_effects());
    }
    Ok((Box::new(instance), effects))
}

/// Saves the consumers, then the module that they share. Returns the snapshot, and the errors of consumers that could
/// not be saved.
fn snapshot_all(
    old: &mut Instance,
    consumers: &[MigratingConsumer],
    source: StateSource,
    policy: FailedMovePolicy,
) -> Result<(RollbackSnapshot, FxHashMap<ConnectionId, MigrationError>), MigrationError> {
    let (mut earlier, module) = match source {
        StateSource::Running(saved) => (saved.0, None),
        StateSource::Rollback(snapshot) => (snapshot.consumers, Some(snapshot.module)),
    };
    let mut snapshots =
        ConsumerSnapshots::with_capacity_and_hasher(consumers.len(), Default::default());
    let mut failures = FxHashMap::default();
    for MigratingConsumer { id, .. } in consumers {
        match earlier.remove(id).map_or_else(|| old.snapshot(*id), Ok) {
            Ok(saved) => {
                snapshots.insert(*id, saved);
            }
            Err(fault) if policy == FailedMovePolicy::KeepOld => {
                return Err(MigrationError::Snapshot(fault));
            }
            Err(fault) => {
                failures.insert(*id, MigrationError::Snapshot(fault));
            }
        }
    }
    let module = match module {
        Some(module) => module,
        None => old.save_module().map_err(MigrationError::SaveModule)?,
    };
    let version = Arc::clone(old.version());
    Ok((RollbackSnapshot { version, module, consumers: snapshots }, failures))
}
