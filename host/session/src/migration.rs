//! A session whose consumer has an instance of its own, on its way to another version.

use std::sync::Arc;

use super::instance_binding::PendingCall;
use super::instance_registry::InstanceRegistration;
use super::owner_command::{Direction, MigrateCommand, MigrateResult, OwnerCommand};
use super::{Call, Fault, GuestFault, Session, log_skipped_disconnects};
use narrowboat_config::FailedMovePolicy;
use narrowboat_core::fault::HostFault;
use narrowboat_runtime::{
    Migration, MigrationError, MigrationStats, PreSnapshots, StateSource, Version,
};

impl Session {
    /// Carries out the order that lies ready.
    pub(super) async fn run_pending_command(&mut self) {
        let order =
            self.consumer.registration.as_ref().and_then(InstanceRegistration::take_command);
        match order {
            Some(OwnerCommand::CaptureTrialState(answer)) => {
                let calling = self.consumer.binding.capture_trial_state();
                let sample = self.await_call(calling).await;
                let died =
                    sample.as_ref().err().filter(|_| self.consumer.binding.is_dead()).cloned();
                let _ = answer.send(sample);
                if let Some(why) = died {
                    // It will not live to see the other version, whatever becomes of that.
                    let live = self.consumer.registry.plugin.live_version();
                    self.apply_failed_move_policy(live, why).await;
                }
            }
            Some(OwnerCommand::Migrate(MigrateCommand { to, direction, reply: done })) => {
                let moving = self.migrate_to(to, direction).await;
                let _ = done.send(moving);
            }
            None => {}
        }
    }

    /// Whether the live version has changed while the consumer was joining.
    pub(super) fn is_outdated(&self) -> bool {
        let live = self.consumer.registry.plugin.live_version();
        self.consumer.binding.version().is_some_and(|version| !Arc::ptr_eq(version, &live))
    }

    /// Goes to the live version.
    pub(super) async fn migrate_to_live(&mut self) {
        let live = self.consumer.registry.plugin.live_version();
        let MigrateResult { error: why, .. } = self.migrate_to(live, Direction::Forward).await;
        if let Some(why) = why {
            let (plugin, channel) = self.consumer.log_fields();
            tracing::warn!(plugin, channel, "did not move to the live version: {why}");
        }
    }

    async fn migrate_to(&mut self, to: Arc<Version>, direction: Direction) -> MigrateResult {
        if self.consumer.binding.version().is_none_or(|version| Arc::ptr_eq(version, &to)) {
            return MigrateResult::default();
        }
        let Some(listed) = &self.consumer.registration else { return MigrateResult::default() };
        let way = listed.state_source(direction, PreSnapshots::default());
        match self.migrate_instance(Arc::clone(&to), way, direction).await {
            Ok(outcome) => MigrateResult { stats: outcome, error: None },
            Err(why) => self.apply_failed_move_policy(to, why).await,
        }
    }

    async fn migrate_instance(
        &mut self,
        to: Arc<Version>,
        way: StateSource,
        direction: Direction,
    ) -> Result<MigrationStats, MigrationError> {
        let calling = self.consumer.binding.migrate(to, way);
        let Migration { effects, rollback_snapshot: left, stats: outcome, .. } =
            self.await_call(calling).await?;
        if direction == Direction::Forward
            && let Some(listed) = &self.consumer.registration
        {
            listed.store_snapshot(left);
        }
        self.consumer.effect_applier().apply(effects);
        Ok(outcome)
    }

    /// The consumer could not move: the plugin's policy says what becomes of it. One that died of
    /// being saved can be kept nowhere.
    async fn apply_failed_move_policy(
        &mut self,
        to: Arc<Version>,
        why: MigrationError,
    ) -> MigrateResult {
        let outcome = match self.consumer.registry.plugin.failed_move {
            FailedMovePolicy::KeepOld if self.consumer.binding.is_dead() => {
                self.close_state_lost(&why)
            }
            FailedMovePolicy::KeepOld => {
                MigrationStats { kept_old: 1, ..MigrationStats::default() }
            }
            FailedMovePolicy::Restart => {
                let calling = self.consumer.binding.restart(to);
                match self.await_call(calling).await {
                    Ok(effects) => {
                        self.consumer.effect_applier().apply(effects);
                        MigrationStats { restarted: 1, ..MigrationStats::default() }
                    }
                    Err(error) => self.close_state_lost(&error),
                }
            }
            FailedMovePolicy::Close => self.close_state_lost(&why),
        };
        self.consumer.binding.drop_dead_instance();
        MigrateResult { stats: outcome, error: Some(why) }
    }

    fn close_state_lost(&self, why: &MigrationError) -> MigrationStats {
        if self.consumer.binding.is_dead() {
            let version = self.consumer.binding.version().map(|version| version.digest());
            log_skipped_disconnects(self.consumer.log_fields().0, version, 1);
        }
        self.consumer.fail(Fault::Host(HostFault::StateLost(why.to_string())));
        MigrationStats { closed: 1, ..MigrationStats::default() }
    }

    /// After a trap in a version that is new: takes the consumer back to the version it came from,
    /// and brings it the event again, of which nothing has happened; true if that has been done.
    pub(super) async fn roll_back_and_retry(&mut self, call: Call, fault: &GuestFault) -> bool {
        let left =
            self.consumer.registration.as_ref().and_then(InstanceRegistration::take_snapshot);
        let Some(left) = left else { return false };
        let to = Arc::clone(left.version());
        let digest = to.digest().short_hex();
        let back =
            self.migrate_instance(to, StateSource::Rollback(left), Direction::Rollback).await;
        let (plugin, channel) = self.consumer.log_fields();
        match back {
            Ok(MigrationStats { lost_events: undone, .. }) => {
                tracing::warn!(
                    plugin,
                    channel,
                    "{fault}: back to version {digest}, and to the state it was left with; the \
                     changes of {undone} events are lost"
                );
                Box::pin(self.call_guest(call)).await;
                true
            }
            Err(why) => {
                tracing::warn!(plugin, channel, "no way back to version {digest}: {why}");
                false
            }
        }
    }

    /// Waits for work in the instance, going on with the socket meanwhile.
    pub(super) async fn await_call<T>(&mut self, calling: PendingCall<T>) -> T {
        match calling {
            PendingCall::Ready(answer) => answer,
            PendingCall::Running(running) => self.drive_socket_while(running).await,
        }
    }
}
