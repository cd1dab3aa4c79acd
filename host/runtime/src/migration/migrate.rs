//! Moves all consumers of an instance into a new instance: first the state of the module, then every consumer.

use std::sync::Arc;
use std::time::Instant;

use rustc_hash::FxHashMap;

use super::migration_error::MigrationError;
use super::migration_stats::MigrationStats;
use super::migration_target::MigrationTarget;
use super::state_source::{PreSnapshots, StateSource};
use crate::bindings::narrowboat::consumer::types::SaveMode;
use crate::call::ConnectionId;
use crate::effects::Effect;
use crate::instance::{
    ConsumerSnapshots, ConsumerState, GuestSnapshot, Instance, InstanceSnapshot, MigratingConsumer,
    ModuleState,
};
use crate::store::RestoreReason;
use crate::version::Version;
use narrowboat_config::FailedMovePolicy::{self, KeepOld};
use narrowboat_core::fault::GuestFault;

/// Whether a guest may postpone its migration because its code waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MovePatience {
    /// The guest may answer that it is busy.
    MayWait,
    /// The guest cancels the code that waits.
    Forced,
}

impl From<MovePatience> for SaveMode {
    fn from(patience: MovePatience) -> Self {
        match patience {
            MovePatience::MayWait => Self::Move,
            MovePatience::Forced => Self::ForcedMove,
        }
    }
}

/// The result of a migration that took place.
pub struct Migration {
    /// The old instance, to be dropped.
    pub old_instance: Box<Instance>,
    /// The effects of `load-module` and of each `restore`.
    pub effects: Vec<Effect>,
    /// The state of the old instance, for a rollback.
    pub rollback_snapshot: InstanceSnapshot,
    /// The results for the consumers.
    pub stats: MigrationStats,
}

/// Moves all consumers of `instance` into a new instance of `to` and replaces `instance` with it. Consumers keep their
/// identifiers. `policy` says what happens to a consumer that cannot move; with [`FailedMovePolicy::KeepOld`], such a
/// consumer fails the whole migration. If the module cannot be saved, no consumer can move. `patience` says whether the
/// guest may postpone the migration.
///
/// # Errors
/// No consumer has moved. `instance` can still be called, unless its fault is fatal. [`MigrationError::Busy`] only if
/// `patience` allows it; `source` then has the snapshots that were taken, for the next attempt.
pub fn migrate(
    instance: &mut Box<Instance>,
    to: Arc<Version>,
    source: &mut StateSource,
    policy: FailedMovePolicy,
    patience: MovePatience,
) -> Result<Migration, MigrationError> {
    let started = Instant::now();
    let old = &mut **instance;
    let consumers = old.migrating_consumers();
    let lost_events = match source {
        StateSource::Running(_) => 0,
        StateSource::Rollback(snapshot) => old.event_count() - snapshot.event_count,
    };
    let ended = match source {
        StateSource::Running(_) => Vec::new(),
        StateSource::Rollback(snapshot) => snapshot.take_ended(&consumers),
    };
    let continued_count = count_continued_events(old, &to, source);
    let saved = snapshot_all(old, &consumers, source, policy, patience.into());
    let (mut snapshot, failures) = match saved {
        Err(error) if error.is_unsaved_state() && policy != KeepOld && !old.is_dead() => {
            without_state(old, &consumers, &error)
        }
        saved => saved?,
    };
    // An instance goes on with the same version only after a failure.
    let reason = match Arc::ptr_eq(old.version(), &to) {
        true => RestoreReason::Failure,
        false => RestoreReason::Version,
    };
    let mut target = MigrationTarget::start(to, old, &snapshot, policy, reason)?;
    for consumer in &consumers {
        match snapshot.consumers.get(&consumer.id) {
            Some(saved) => target.restore_consumer(consumer, saved.as_ref())?,
            None => {
                let failure = failures
                    .get(&consumer.id)
                    .cloned()
                    .unwrap_or(MigrationError::Snapshot(GuestFault::InstanceLost));
                target.apply_failed_move_policy(consumer, failure)?;
            }
        }
    }
    for consumer in &ended {
        target.disconnect_ended(consumer)?;
    }
    let (mut new_instance, effects, mut stats) = target.into_parts();
    if let Some(event_count) = continued_count {
        new_instance.continue_events_of(old, event_count);
    }
    snapshot.members = consumers;
    let old_instance = std::mem::replace(instance, Box::new(new_instance));
    stats.lost_events = lost_events;
    stats.max_pause = started.elapsed();
    Ok(Migration { old_instance, effects, rollback_snapshot: snapshot, stats })
}

/// The events that the state of `source` has, if an instance of the same version goes on with it. The old one has trapped then.
fn count_continued_events(old: &Instance, to: &Arc<Version>, source: &StateSource) -> Option<u64> {
    match source {
        StateSource::Rollback(snapshot) if Arc::ptr_eq(old.version(), to) => {
            Some(snapshot.event_count)
        }
        StateSource::Rollback(_) | StateSource::Running(_) => None,
    }
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

/// Saves the module, then the consumers. Returns the snapshot, and the errors of consumers that could not be saved.
fn snapshot_all(
    old: &mut Instance,
    consumers: &[MigratingConsumer],
    source: &mut StateSource,
    policy: FailedMovePolicy,
    mode: SaveMode,
) -> Result<(InstanceSnapshot, FxHashMap<ConnectionId, MigrationError>), MigrationError> {
    let taken = std::mem::replace(source, StateSource::Running(PreSnapshots::default()));
    let (mut snapshots, module) = match taken {
        StateSource::Running(PreSnapshots(saved)) => {
            match old.save_module(mode).map_err(MigrationError::SaveModule)? {
                ModuleState::Busy => {
                    *source = StateSource::Running(PreSnapshots(saved));
                    return Err(MigrationError::Busy);
                }
                module @ ModuleState::WithConsumers(_) => (without_own_state(consumers), module),
                module => (saved, module),
            }
        }
        StateSource::Rollback(snapshot) => (snapshot.consumers, snapshot.module),
    };
    match save_consumers(old, consumers, &mut snapshots, policy, mode) {
        Ok(failures) => {
            let version = Arc::clone(old.version());
            let mut snapshot = InstanceSnapshot::without_state(version);
            (snapshot.module, snapshot.consumers) = (module, snapshots);
            Ok((snapshot, failures))
        }
        Err(error) => {
            *source = StateSource::Running(PreSnapshots(snapshots));
            Err(error)
        }
    }
}

/// Saves the consumers, ordered by their identifiers, that are not in `snapshots`, and adds them. Returns the errors of
/// those that could not be saved.
fn save_consumers(
    old: &mut Instance,
    consumers: &[MigratingConsumer],
    snapshots: &mut ConsumerSnapshots,
    policy: FailedMovePolicy,
    mode: SaveMode,
) -> Result<FxHashMap<ConnectionId, MigrationError>, MigrationError> {
    let mut failures = FxHashMap::default();
    for MigratingConsumer { id, .. } in consumers {
        if snapshots.contains_key(id) {
            continue;
        }
        match save_consumer(old, *id, mode) {
            Ok(saved) => {
                snapshots.insert(*id, Some(saved));
            }
            Err(error) if policy == KeepOld || error == MigrationError::Busy => {
                return Err(error);
            }
            Err(error) => {
                failures.insert(*id, error);
            }
        }
    }
    // The snapshot of a rollback also has consumers that have ended since.
    if snapshots.len() > consumers.len() {
        snapshots
            .retain(|id, _| consumers.binary_search_by_key(id, |consumer| consumer.id).is_ok());
    }
    Ok(failures)
}

/// A snapshot without any state, and `error` for every consumer.
fn without_state(
    old: &Instance,
    consumers: &[MigratingConsumer],
    error: &MigrationError,
) -> (InstanceSnapshot, FxHashMap<ConnectionId, MigrationError>) {
    let failures = consumers.iter().map(|consumer| (consumer.id, error.clone())).collect();
    (InstanceSnapshot::without_state(Arc::clone(old.version())), failures)
}

/// The snapshots of consumers whose state is in the module's state.
fn without_own_state(consumers: &[MigratingConsumer]) -> ConsumerSnapshots {
    consumers.iter().map(|consumer| (consumer.id, None)).collect()
}

pub(super) fn save_consumer(
    instance: &mut Instance,
    id: ConnectionId,
    mode: SaveMode,
) -> Result<GuestSnapshot, MigrationError> {
    match instance.snapshot(id, mode).map_err(MigrationError::Snapshot)? {
        ConsumerState::Saved(saved) => Ok(saved),
        ConsumerState::Busy => Err(MigrationError::Busy),
    }
}
