//! Migration by the owner of an instance: the steps that the session of a dedicated instance and the task of a shared
//! one have in common.

use std::sync::Arc;

use tokio::time::Instant;

use super::effect_applier::EffectApplier;
use super::instance_registration::InstanceRegistration;
use super::owner_command::{Direction, MigrateCommand, MigrateResult, OwnerCommand};
use super::postponed_move::{MoveReport, PostponedMove};
use narrowboat_runtime::{
    Effect, Instance, InstanceSnapshot, Migration, MigrationError, MigrationStats, MovePatience,
    PreSnapshots, Sha256Digest, StateSource, TrialState, Version,
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

    /// The move that the guest has postponed.
    fn postponed_move(&mut self) -> &mut Option<Box<PostponedMove>>;

    /// Takes the snapshots that were taken ahead of the migration.
    fn take_pre_snapshots(&mut self) -> PreSnapshots;

    /// Captures the trial state, and applies the failed-move policy if the instance dies of that. Returns `None` if
    /// the instance has no state to give.
    async fn capture_trial_state(&mut self) -> Option<Result<TrialState, MigrationError>>;

    /// Replaces the instance by one of the version `to`. After an error the old instance stays, unless the error
    /// killed it. If the guest is busy, the snapshots that were taken are kept for the next attempt.
    async fn replace_instance(
        &mut self,
        to: Arc<Version>,
        source: StateSource,
        direction: Direction,
        patience: MovePatience,
    ) -> Result<Migration, MigrationError>;

    /// Does what has to be done before the effects of a migration take place. Returns false if they must not.
    async fn prepare_effects(&mut self, _effects: &[Effect]) -> bool {
        true
    }

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
            OwnerCommand::Migrate(MigrateCommand { to, direction, reply, slot }) => {
                self.start_move(to, direction, MoveReport::Rollout(reply)).await;
                drop(slot);
            }
        }
    }

    /// Moves the instance to the version `to`. A guest whose code waits may postpone a move forward, for at most
    /// `move_wait`. The move replaces an earlier one that was postponed, and keeps its deadline if it has the same
    /// version.
    async fn start_move(&mut self, to: Arc<Version>, direction: Direction, report: MoveReport) {
        let earlier = self.postponed_move().take();
        let patience = match direction {
            Direction::Forward => MovePatience::MayWait,
            Direction::Rollback | Direction::Restart => MovePatience::Forced,
        };
        let result = self.migrate_to(Arc::clone(&to), direction, patience).await;
        let plugin = self.effect_applier().plugin;
        if let Some(result) = result {
            return report.send(&plugin.label, result);
        }
        let deadline = match earlier {
            Some(earlier) if Arc::ptr_eq(&earlier.to, &to) => earlier.deadline(),
            _ => Instant::now() + plugin.move_wait,
        };
        *self.postponed_move() = Some(Box::new(PostponedMove::new(to, report, deadline)));
    }

    /// Asks the guest again whether it can move, after an event; or forces its move, after `move_wait`.
    async fn continue_move(&mut self) {
        let Some(postponed) = self.postponed_move().take() else { return };
        let (to, patience) = (Arc::clone(&postponed.to), postponed.patience());
        match self.migrate_to(to, Direction::Forward, patience).await {
            Some(result) => {
                let result = MigrateResult { was_busy: true, ..result };
                postponed.report.send(&self.effect_applier().plugin.label, result);
            }
            None => *self.postponed_move() = Some(postponed),
        }
    }

    /// Migrates the instance to the version `to`, unless it runs that already or there is none. Returns `None` if the
    /// guest is busy.
    async fn migrate_to(
        &mut self,
        to: Arc<Version>,
        direction: Direction,
        patience: MovePatience,
    ) -> Option<MigrateResult> {
        let pre_snapshots = self.take_pre_snapshots();
        if self.version().is_none_or(|version| Arc::ptr_eq(version, &to)) {
            return Some(MigrateResult::default());
        }
        let Some(registration) = self.registration() else { return Some(MigrateResult::default()) };
        let source = registration.state_source(direction, pre_snapshots);
        match self.migrate_from(Arc::clone(&to), source, direction, patience).await {
            Ok(stats) => Some(MigrateResult { stats, ..MigrateResult::default() }),
            Err(MigrationError::Busy) => None,
            Err(error) => Some(self.handle_failed_migration(to, error).await),
        }
    }

    /// Migrates the instance with the state of `source`. Keeps the state that the instance leaves its version with for
    /// a rollback, and applies the effects.
    async fn migrate_from(
        &mut self,
        to: Arc<Version>,
        source: StateSource,
        direction: Direction,
        patience: MovePatience,
    ) -> Result<MigrationStats, MigrationError> {
        let migration = self.replace_instance(to, source, direction, patience).await?;
        let Migration { old_instance, effects, rollback_snapshot, stats } = migration;
        Self::drop_old_instance(old_instance);
        if direction == Direction::Forward
            && let Some(registration) = self.registration()
        {
            registration.store_snapshot(rollback_snapshot);
        }
        if self.prepare_effects(&effects).await {
            self.effect_applier().apply(effects);
        }
        Ok(stats)
    }

    /// Lets another instance of the same version take the place of one that has died, with the state of a checkpoint.
    async fn restart(
        &mut self,
        checkpoint: InstanceSnapshot,
    ) -> Result<MigrationStats, MigrationError> {
        drop(self.take_pre_snapshots());
        let to = Arc::clone(checkpoint.version());
        let source = StateSource::Rollback(checkpoint);
        self.migrate_from(to, source, Direction::Restart, MovePatience::Forced).await
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
        let rollback = self.migrate_from(to, source, Direction::Rollback, MovePatience::Forced);
        Some((digest, rollback.await))
    }
}
