//! Migration by the owner of an instance: the steps that the session of a dedicated instance and the task of a shared
//! one have in common.

use std::sync::Arc;

use super::effect_applier::EffectApplier;
use super::instance_registration::InstanceRegistration;
use super::owner_command::{Direction, MigrateCommand, MigrateResult, OwnerCommand};
use narrowboat_runtime::{
    Instance, Migration, MigrationError, MigrationStats, PreSnapshots, Sha256Digest, StateSource,
    TrialState, Version,
};

/// The owner of an instance that migrates between versions.
///
/// The required methods are what differs between the owners: where work in the instance runs, and what happens to
/// consumers that cannot move. The provided methods are the migration itself.
pub(super) trait MigratingOwner {
    /// The version that the instance runs. `None` without an instance.
    fn version(&self) -> Option<&Arc<Version>>;

    /// The owner's registration. `None` if the owner gets no commands.
    fn registration(&self) -> Option<&InstanceRegistration>;

    fn effect_applier(&self) -> EffectApplier<'_>;

    /// Takes the snapshots that were taken ahead of the migration.
    fn take_pre_snapshots(&mut self) -> PreSnapshots;

    /// Captures the trial state, and applies the failed-move policy if the instance dies of that. Returns `None` if
    /// the instance has no state to give.
    async fn capture_trial_state(&mut self) -> Option<Result<TrialState, MigrationError>>;

    /// Replaces the instance by one of the version `to`. After an error the old instance stays, unless the error
    /// killed it.
    async fn replace_instance(
        &mut self,
        to: Arc<Version>,
        source: StateSource,
        direction: Direction,
    ) -> Result<Migration, MigrationError>;

    /// Drops the instance that a migration has left.
    fn drop_old_instance(old: Box<Instance>);

    /// Applies the plugin's failed-move policy after `error` has kept the instance from moving to the version `to`.
    async fn handle_failed_migration(
        &mut self,
        to: Arc<Version>,
        error: MigrationError,
    ) -> MigrateResult;

    /// Runs a command of a rollout, and replies to it. If the instance has died of it, the failed-move policy runs before
    /// the reply, so that the rollout does not publish the old version again meanwhile.
    async fn run_command(&mut self, command: OwnerCommand) {
        match command {
            OwnerCommand::CaptureTrialState(reply) => {
                if let Some(state) = self.capture_trial_state().await {
                    let _ = reply.send(state);
                }
            }
            OwnerCommand::Migrate(MigrateCommand { to, direction, reply }) => {
                let result = self.migrate_to(to, direction).await;
                let _ = reply.send(result);
            }
        }
    }

    /// Migrates the instance to the version `to`, unless it runs that already or there is none.
    async fn migrate_to(&mut self, to: Arc<Version>, direction: Direction) -> MigrateResult {
        if self.version().is_none_or(|version| Arc::ptr_eq(version, &to)) {
            return MigrateResult::default();
        }
        let pre_snapshots = self.take_pre_snapshots();
        let Some(registration) = self.registration() else { return MigrateResult::default() };
        let source = registration.state_source(direction, pre_snapshots);
        match self.migrate_from(Arc::clone(&to), source, direction).await {
            Ok(stats) => MigrateResult { stats, error: None },
            Err(error) => self.handle_failed_migration(to, error).await,
        }
    }

    /// Migrates the instance with the state of `source`. Keeps the state that the instance leaves its version with for
    /// a rollback, and applies the effects.
    async fn migrate_from(
        &mut self,
        to: Arc<Version>,
        source: StateSource,
        direction: Direction,
    ) -> Result<MigrationStats, MigrationError> {
        let migration = self.replace_instance(to, source, direction).await?;
        let Migration { old_instance, effects, rollback_snapshot, stats } = migration;
        Self::drop_old_instance(old_instance);
        if direction == Direction::Forward
            && let Some(registration) = self.registration()
        {
            registration.store_snapshot(rollback_snapshot);
        }
        self.effect_applier().apply(effects);
        Ok(stats)
    }

    /// Rolls the instance back to the version that it left, with the state that it left that version with. Returns
    /// that version and the result; `None` if no state is kept, because no new version is watched.
    async fn roll_back(
        &mut self,
    ) -> Option<(Sha256Digest, Result<MigrationStats, MigrationError>)> {
        let snapshot = self.registration()?.take_snapshot()?;
        drop(self.take_pre_snapshots());
        let to = Arc::clone(snapshot.version());
        let digest = to.digest();
        let source = StateSource::Rollback(snapshot);
        Some((digest, self.migrate_from(to, source, Direction::Rollback).await))
    }
}
