//! Moving the consumers of an instance into a new instance of another version: the module's state
//! first, then every consumer.

use std::sync::Arc;
use std::time::{self, Duration};

use rustc_hash::FxHashMap;
use thiserror::Error;

use crate::call::ConnectionId;
use crate::effects::Effect;
use crate::instance::Instance;
use crate::instance::{GuestSnapshot, MigratingConsumer, TrialState};
use crate::version::Version;
use narrowboat_config::FailedMovePolicy;
use narrowboat_core::fault::{Fault, GuestFault, HostFault};

/// What an instance left a version with. A roll-back restores from it, since an old version can
/// seldom read what a newer one saves.
pub struct RollbackSnapshot {
    version: Arc<Version>,
    module: Option<GuestSnapshot>,
    consumers: ConsumerSnapshots,
}

/// Consumers as they were saved.
type ConsumerSnapshots = FxHashMap<ConnectionId, GuestSnapshot>;

/// Where the state comes from that the new instance gets.
pub enum StateSource {
    /// From the running instance, as far as it was not saved ahead.
    Running(PreSnapshots),
    /// From what it left an earlier version with. A consumer that came later is taken from the
    /// running instance, if that still runs.
    Rollback(RollbackSnapshot),
}

/// Consumers that were saved before the transfer, while the others went on.
#[derive(Debug, Default)]
pub struct PreSnapshots(ConsumerSnapshots);

/// A transfer that took place.
pub struct Migration {
    /// The instance that was left, to be dropped.
    pub old_instance: Box<Instance>,
    /// What `load-module` and each `restore` asked for.
    pub effects: Vec<Effect>,
    /// What the old instance was left with.
    pub rollback_snapshot: RollbackSnapshot,
    /// What became of the consumers.
    pub stats: MigrationStats,
}

/// What became of consumers that were to move.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MigrationStats {
    /// Consumers that moved with their state.
    pub moved: u64,
    /// Consumers that began afresh, by the policy `restart`.
    pub restarted: u64,
    /// Connections that were closed, by the policy `close`.
    pub closed: u64,
    /// Consumers that stay on the version they were on.
    pub kept_old: u64,
    /// Events whose changes of state were undone by going back.
    pub lost_events: u64,
    /// The longest that one transfer took, and held its consumers up.
    pub max_pause: Duration,
}

/// Why a consumer, or all of an instance, did not move.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MigrationError {
    /// The old version did not save a consumer.
    #[error("snapshot, in the old version: {0}")]
    Snapshot(GuestFault),
    /// The old version did not save the module.
    #[error("save-module, in the old version: {0}")]
    SaveModule(GuestFault),
    /// No instance of the new version could be made.
    #[error("cannot start: {0}")]
    Start(GuestFault),
    /// The new version did not take the module's state.
    #[error("load-module: {0}")]
    LoadModule(GuestFault),
    /// The new version did not take a consumer's state.
    #[error("restore: {0}")]
    Restore(GuestFault),
    /// The new version, asked for a fresh consumer, did not give one.
    #[error("connect, for a fresh consumer: {0}")]
    Restart(GuestFault),
}

impl PreSnapshots {
    /// Forgets a consumer that has changed since.
    pub fn invalidate(&mut self, id: ConnectionId) {
        self.0.remove(&id);
    }
}

impl RollbackSnapshot {
    /// The version that was left.
    pub fn version(&self) -> &Arc<Version> {
        &self.version
    }
}

impl MigrationStats {
    /// Adds what became of others.
    pub fn merge(&mut self, other: Self) {
        self.moved += other.moved;
        self.restarted += other.restarted;
        self.closed += other.closed;
        self.kept_old += other.kept_old;
        self.lost_events += other.lost_events;
        self.max_pause = self.max_pause.max(other.max_pause);
    }
}

impl Instance {
    /// Saves consumers ahead of a transfer. One that cannot be saved is left to the transfer.
    pub fn pre_snapshot(&mut self, consumers: &[ConnectionId], ahead: &mut PreSnapshots) {
        for id in consumers {
            if let Ok(saved) = self.snapshot(*id) {
                ahead.0.insert(*id, saved);
            }
        }
    }

    /// What a trial of another version needs of this instance.
    ///
    /// # Errors
    /// When the guest does not save it.
    pub fn capture_trial_state(&mut self) -> Result<TrialState, MigrationError> {
        let consumer = self.first_migrating_consumer().map(|passenger| {
            let saved = self.snapshot(passenger.id).map_err(MigrationError::Snapshot)?;
            Ok((passenger, saved))
        });
        let consumer = consumer.transpose()?;
        let module = self.save_module().map_err(MigrationError::SaveModule)?;
        Ok(TrialState { module, consumer })
    }
}

impl TrialState {
    /// Tries a version with it on a store that is thrown away, with whatever the guest asked for.
    ///
    /// # Errors
    /// What the version fails at.
    pub fn try_restore(self, version: Arc<Version>) -> Result<(), MigrationError> {
        let mut instance = Instance::new_trial(version).map_err(MigrationError::Start)?;
        if let Some(module) = &self.module {
            instance.load_module(module).map_err(MigrationError::LoadModule)?;
        }
        if let Some((passenger, saved)) = self.consumer {
            instance.restore(&passenger, &saved).map_err(MigrationError::Restore)?;
        }
        Ok(())
    }
}

/// Moves all consumers of `instance` into a new one of `to`, under the same identifiers, which takes
/// its place. A consumer that cannot move begins afresh or is closed, as `policy` says; with
/// [`FailedMove::KeepOld`] nobody moves then.
///
/// # Errors
/// Nobody has moved, and `instance` goes on, unless the fault is one that ended it.
pub fn migrate(
    instance: &mut Box<Instance>,
    to: Arc<Version>,
    way: StateSource,
    policy: FailedMovePolicy,
) -> Result<Migration, MigrationError> {
    let began = time::Instant::now();
    let old = &mut **instance;
    let passengers = old.migrating_consumers();
    let undone = match &way {
        StateSource::Running(_) => 0,
        StateSource::Rollback(_) => old.event_count(),
    };
    let (left, unsaved) = snapshot_all(old, &passengers, way, policy)?;
    let mut new = Instance::new_successor(to).map_err(MigrationError::Start)?;
    new.inherit_ids_from(old);
    if let Some(module) = &left.module {
        new.load_module(module).map_err(MigrationError::LoadModule)?;
    }
    let mut arrival = MigrationTarget {
        effects: new.take_effects(),
        instance: new,
        policy,
        stats: MigrationStats { lost_events: undone, ..MigrationStats::default() },
    };
    for passenger in &passengers {
        match left.consumers.get(&passenger.id) {
            Some(saved) => arrival.restore_consumer(passenger, saved)?,
            None => {
                let gone = || MigrationError::Snapshot(GuestFault::SharedInstanceFailed);
                let why = unsaved.get(&passenger.id).cloned().unwrap_or_else(gone);
                arrival.apply_failed_move_policy(passenger, why)?;
            }
        }
    }
    let MigrationTarget { instance: new, effects, stats: mut outcome, .. } = arrival;
    let old = std::mem::replace(instance, Box::new(new));
    outcome.max_pause = began.elapsed();
    Ok(Migration { old_instance: old, effects, rollback_snapshot: left, stats: outcome })
}

/// Puts a fresh consumer in the place of each in `old`, in a new instance of `to` without state.
///
/// # Errors
/// `old` is as it was.
pub fn restart_consumers(
    old: &Instance,
    to: Arc<Version>,
) -> Result<(Box<Instance>, Vec<Effect>), MigrationError> {
    let mut instance = Instance::new_successor(to).map_err(MigrationError::Start)?;
    instance.inherit_ids_from(old);
    let mut effects = Vec::new();
    for passenger in old.migrating_consumers() {
        instance.restart_consumer(&passenger).map_err(MigrationError::Restart)?;
        effects.append(&mut instance.take_effects());
    }
    Ok((Box::new(instance), effects))
}

/// Saves the consumers, then the module they share.
fn snapshot_all(
    old: &mut Instance,
    passengers: &[MigratingConsumer],
    way: StateSource,
    policy: FailedMovePolicy,
) -> Result<(RollbackSnapshot, FxHashMap<ConnectionId, MigrationError>), MigrationError> {
    let (mut earlier, module) = match way {
        StateSource::Running(ahead) => (ahead.0, None),
        StateSource::Rollback(left) => (left.consumers, Some(left.module)),
    };
    let mut consumers =
        ConsumerSnapshots::with_capacity_and_hasher(passengers.len(), Default::default());
    let mut unsaved = FxHashMap::default();
    for MigratingConsumer { id, .. } in passengers {
        match earlier.remove(id).map_or_else(|| old.snapshot(*id), Ok) {
            Ok(saved) => {
                consumers.insert(*id, saved);
            }
            Err(fault) if policy == FailedMovePolicy::KeepOld => {
                return Err(MigrationError::Snapshot(fault));
            }
            Err(fault) => {
                unsaved.insert(*id, MigrationError::Snapshot(fault));
            }
        }
    }
    let module = match module {
        Some(module) => module,
        None => old.save_module().map_err(MigrationError::SaveModule)?,
    };
    let version = Arc::clone(old.version());
    Ok((RollbackSnapshot { version, module, consumers }, unsaved))
}

/// The new instance, filling.
struct MigrationTarget {
    instance: Instance,
    effects: Vec<Effect>,
    policy: FailedMovePolicy,
    stats: MigrationStats,
}

impl MigrationTarget {
    fn restore_consumer(
        &mut self,
        passenger: &MigratingConsumer,
        saved: &GuestSnapshot,
    ) -> Result<(), MigrationError> {
        match self.instance.restore(passenger, saved) {
            Ok(()) => {
                self.effects.append(&mut self.instance.take_effects());
                self.stats.moved += 1;
                Ok(())
            }
            Err(fault) => self.apply_failed_move_policy(passenger, MigrationError::Restore(fault)),
        }
    }

    /// A consumer that cannot move. A trap here ends the new instance, and with it the transfer.
    fn apply_failed_move_policy(
        &mut self,
        passenger: &MigratingConsumer,
        why: MigrationError,
    ) -> Result<(), MigrationError> {
        drop(self.instance.take_effects());
        if self.policy == FailedMovePolicy::KeepOld || self.instance.is_dead() {
            return Err(why);
        }
        if self.policy == FailedMovePolicy::Restart {
            match self.instance.restart_consumer(passenger) {
                Ok(()) => {
                    self.effects.append(&mut self.instance.take_effects());
                    self.stats.restarted += 1;
                    return Ok(());
                }
                Err(fault) if self.instance.is_dead() => {
                    return Err(MigrationError::Restart(fault));
                }
                Err(_) => drop(self.instance.take_effects()),
            }
        }
        let lost = Fault::Host(HostFault::StateLost(why.to_string()));
        self.effects.push(Effect::Fail(Arc::clone(&passenger.connection), lost));
        self.stats.closed += 1;
        Ok(())
    }
}
