//! Migration of a session whose consumer has an instance of its own.

use std::fmt::Display;
use std::sync::Arc;

use super::effect_applier::EffectApplier;
use super::instance_registration::InstanceRegistration;
use super::migrating_owner::MigratingOwner;
use super::owner_command::{Direction, MigrateResult};
use super::postponed_move::{MoveReport, PostponedMove};
use super::session::Session;
use super::session_link::SessionLink;
use super::skipped_disconnects::log_skipped_disconnects;
use narrowboat_config::FailedMovePolicy;
use narrowboat_core::fault::{Fault, GuestFault, HostFault};
use narrowboat_runtime::{
    Call, Instance, Migration, MigrationError, MigrationStats, MovePatience, PreSnapshots,
    StateSource, TrialState, Version,
};

impl<L: SessionLink> Session<L> {
    /// Runs the pending command, if there is one.
    pub(super) async fn run_pending_command(&mut self) {
        let command =
            self.consumer.registration.as_ref().and_then(InstanceRegistration::take_command);
        if let Some(command) = command {
            self.run_command(command).await;
        }
    }

    /// Whether the live version has changed since the consumer's instance was made.
    pub(super) fn is_outdated(&self) -> bool {
        let live = self.consumer.registry.plugin.live_version();
        self.version().is_some_and(|version| !Arc::ptr_eq(version, &live))
    }

    /// Migrates the consumer to the live version.
    pub(super) async fn migrate_to_live(&mut self) {
        let live = self.consumer.registry.plugin.live_version();
        let report = MoveReport::Log(Arc::clone(&self.consumer.control));
        self.start_move(live, Direction::Forward, report).await;
    }

    /// After a trap in a version that is watched: rolls the consumer back and repeats the call, which has had no
    /// effects.
    ///
    /// # Errors
    /// The call, if no rollback was possible.
    pub(super) async fn roll_back_and_retry(
        &mut self,
        call: Option<Call>,
        fault: &GuestFault,
    ) -> Result<(), Option<Call>> {
        let Some((version, result)) = self.roll_back().await else { return Err(call) };
        let version = &*version.short_hex();
        let (plugin, channel) = self.consumer.log_fields();
        match result {
            Ok(MigrationStats { lost_events, .. }) => {
                tracing::warn!(
                    plugin,
                    channel,
                    version,
                    lost_events,
                    %fault,
                    "rolled back one consumer after a fault"
                );
                if let Some(call) = call {
                    Box::pin(self.call_guest(call)).await;
                }
                Ok(())
            }
            Err(error) => {
                tracing::warn!(plugin, channel, version, %error, "cannot roll back the consumer after a fault");
                Err(call)
            }
        }
    }

    /// After a trap: lets another instance go on with the state of the last checkpoint, without the event that trapped, if the
    /// manifest asks for that. Returns false if that was not possible, or has been done too often.
    pub(super) async fn restart_after(
        &mut self,
        call: Option<Call>,
        fault: &(dyn Display + Sync),
    ) -> bool {
        let has_begun = !self.consumer.binding.has_died_saving();
        let Some(checkpoint) = self.consumer.binding.take_checkpoint() else { return false };
        let version = &*checkpoint.version().digest().short_hex();
        if !self.consumer.restart_limiter.get_or_insert_default().try_restart() {
            let (plugin, channel) = self.consumer.log_fields();
            tracing::warn!(plugin, channel, version, %fault, "a consumer is not restarted again, since it traps too often");
            return false;
        }
        let result = self.restart(checkpoint).await;
        let (plugin, channel) = self.consumer.log_fields();
        match result {
            Ok(MigrationStats { lost_events, .. }) => {
                // The event of which the instance has died is lost too.
                let lost_events = lost_events + u64::from(has_begun && call.is_some());
                self.consumer.registry.restarts.record(lost_events);
                tracing::warn!(
                    plugin,
                    channel,
                    version,
                    lost_events,
                    %fault,
                    "a consumer goes on after a fault, with its last checkpoint"
                );
                match call {
                    Some(call) if has_begun => self.link.put_back(call.split_first_event().1),
                    Some(call) => {
                        self.consumer.binding.stop_checkpoints();
                        Box::pin(self.call_guest(call)).await;
                    }
                    None => {}
                }
                true
            }
            Err(error) => {
                tracing::warn!(plugin, channel, version, %fault, %error, "cannot restart a consumer after a fault");
                false
            }
        }
    }

    fn close_state_lost(&self, error: &MigrationError) -> MigrationStats {
        if self.consumer.binding.is_dead() {
            let version = self.version().map(|version| version.digest());
            log_skipped_disconnects(self.consumer.log_fields().0, version, 1);
        }
        self.consumer.fail(Fault::Host(HostFault::StateLost(error.to_string())));
        MigrationStats { closed: 1, ..MigrationStats::default() }
    }

    async fn restart_consumer(&mut self, to: Arc<Version>) -> MigrationStats {
        let pending = self.consumer.binding.restart(to);
        match self.await_call(pending).await {
            Ok(effects) => {
                self.consumer.effect_applier().apply(effects);
                MigrationStats { restarted: 1, ..MigrationStats::default() }
            }
            Err(error) => self.close_state_lost(&error),
        }
    }
}

impl<L: SessionLink> MigratingOwner for Session<L> {
    fn version(&self) -> Option<&Arc<Version>> {
        self.consumer.binding.version()
    }

    fn registration(&self) -> Option<&InstanceRegistration> {
        self.consumer.registration.as_ref()
    }

    fn effect_applier(&self) -> EffectApplier<'_> {
        self.consumer.effect_applier()
    }

    fn postponed_move(&mut self) -> &mut Option<Box<PostponedMove>> {
        &mut self.consumer.postponed_move
    }

    /// A session takes no snapshots ahead, since it has one consumer.
    fn take_pre_snapshots(&mut self) -> PreSnapshots {
        PreSnapshots::default()
    }

    async fn capture_trial_state(&mut self) -> Option<Result<TrialState, MigrationError>> {
        let pending = self.consumer.binding.capture_trial_state();
        let state = self.await_call(pending).await;
        if let Err(error) = &state
            && self.consumer.binding.is_dead()
        {
            // The consumer cannot move to the other version any more, whether the rollout goes on or not.
            let live = self.consumer.registry.plugin.live_version();
            self.handle_failed_migration(live, error.clone()).await;
        }
        Some(state)
    }

    async fn replace_instance(
        &mut self,
        to: Arc<Version>,
        source: StateSource,
        direction: Direction,
        patience: MovePatience,
    ) -> Result<Migration, MigrationError> {
        let policy = match direction {
            Direction::Restart => FailedMovePolicy::Restart,
            Direction::Forward | Direction::Rollback => FailedMovePolicy::KeepOld,
        };
        let pending = self.consumer.binding.migrate(to, source, policy, patience);
        self.await_call(pending).await
    }

    fn drop_old_instance(old: Box<Instance>) {
        drop(old);
    }

    async fn handle_failed_migration(
        &mut self,
        to: Arc<Version>,
        error: MigrationError,
    ) -> MigrateResult {
        if self.consumer.binding.is_dead() && self.restart_after(None, &error).await {
            return MigrateResult::all_kept_old(1, error);
        }
        let stats = match self.consumer.registry.plugin.failed_move {
            // An instance that died of its snapshot cannot be kept.
            FailedMovePolicy::KeepOld if !self.consumer.binding.is_dead() => {
                MigrationStats { kept_old: 1, ..MigrationStats::default() }
            }
            FailedMovePolicy::KeepOld | FailedMovePolicy::Close => self.close_state_lost(&error),
            FailedMovePolicy::Restart => self.restart_consumer(to).await,
        };
        self.consumer.binding.drop_dead_instance();
        MigrateResult { stats, error: Some(error), was_busy: false }
    }
}
