//! Migration of a shared instance by its task.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::instance_task::SharedInstanceTask;
use super::job::{JOB_QUEUE_LIMIT, Job};
use crate::effect_applier::EffectApplier;
use crate::instance_registration::InstanceRegistration;
use crate::migrating_owner::MigratingOwner;
use crate::owner_command::{Direction, MigrateResult};
use crate::postponed_move::PostponedMove;
use crate::skipped_disconnects::log_skipped_disconnects;
use narrowboat_config::FailedMovePolicy;
use narrowboat_core::fault::{Fault, GuestFault, HostFault};
use narrowboat_runtime::{
    Effect, Instance, Migration, MigrationError, MigrationStats, MovePatience, PreSnapshots,
    StateSource, TrialState, Version, migrate, restart_consumers, run_on_dedicated_thread,
};

/// Consumers whose snapshots are taken between two looks at the job queue, ahead of a migration.
const SNAPSHOT_BATCH_SIZE: usize = 32;

impl SharedInstanceTask {
    /// Takes snapshots of the consumers in batches, and runs the jobs that arrive in between. The migration itself
    /// then only has to take those of consumers that have changed since.
    pub(super) async fn pre_snapshot_consumers(&mut self, queue: &mut mpsc::Receiver<Job>) {
        self.pre_snapshots = PreSnapshots::default();
        let consumers =
            self.instance.as_ref().map_or_else(Vec::new, |instance| instance.consumer_ids());
        if consumers.len() <= SNAPSHOT_BATCH_SIZE {
            return;
        }
        for batch in consumers.chunks(SNAPSHOT_BATCH_SIZE) {
            let (batch, mut snapshots) = (batch.to_vec(), self.take_pre_snapshots());
            let work = move |instance: &mut Instance| {
                instance.pre_snapshot(&batch, &mut snapshots);
                snapshots
            };
            let Some(snapshots) = self.with_instance(work).await else { return };
            self.pre_snapshots = snapshots;
            for _ in 0..JOB_QUEUE_LIMIT {
                let Some(job) = self.next_waiting(queue) else { break };
                self.run_job(job).await;
                if self.instance.is_none() {
                    return;
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// After the instance has died of a call: rolls it back to the version that it left not long ago. Returns false if
    /// no rollback was possible.
    pub(super) async fn roll_back_after(&mut self, fault: &GuestFault) -> bool {
        let Some((version, result)) = self.roll_back().await else { return false };
        let plugin = &*self.plugin().label;
        let version = &*version.short_hex();
        match &result {
            Ok(MigrationStats { moved, lost_events, .. }) => tracing::warn!(
                plugin,
                version,
                consumers = moved,
                lost_events,
                %fault,
                "rolled back a shared instance after a fault"
            ),
            Err(error) => {
                tracing::warn!(plugin, version, %fault, %error, "cannot roll back the shared instance after a fault");
            }
        }
        // A room goes back alone. Its fault counts in the error budget of the version.
        if self.room.is_none() {
            self.registration.notify_self_rollback();
        }
        result.is_ok()
    }

    /// If the instance died of a snapshot: restarts its consumers, if that is the failed-move policy and succeeds, or
    /// ends their connections.
    async fn replace_if_dead(&mut self, error: &MigrationError) {
        let is_dead = self.instance.as_ref().is_some_and(|instance| instance.is_dead());
        if is_dead && self.restart_after(error).await {
            return;
        }
        if is_dead && self.room.is_some() {
            // The next visitor finds the state that was saved last.
            return self.drop_instance(&HostFault::StateLost(error.to_string()));
        }
        let Some(dead) = self.instance.take_if(|instance| instance.is_dead()) else { return };
        let version = dead.version().digest();
        let consumer_count = dead.consumer_ids().len();
        let connections: Vec<_> = dead.connections().cloned().collect();
        if self.plugin().failed_move == FailedMovePolicy::Restart {
            let live = self.plugin().live_version();
            let restarted = run_on_dedicated_thread(move || restart_consumers(&dead, live)).await;
            if let Some(Ok((instance, effects))) = restarted {
                self.instance = Some(instance);
                self.effect_applier().apply(effects);
                return;
            }
        }
        let plugin = &*self.plugin().label;
        let fault = Fault::Host(HostFault::StateLost(error.to_string()));
        fault.log(plugin, &format!("{} connections", connections.len()), &version.short_hex());
        log_skipped_disconnects(plugin, Some(version), consumer_count);
        for connection in connections {
            connection.outbound.fail(fault.clone());
        }
    }
}

impl MigratingOwner for SharedInstanceTask {
    fn version(&self) -> Option<&Arc<Version>> {
        self.instance.as_ref().map(|instance| instance.version())
    }

    fn registration(&self) -> Option<&InstanceRegistration> {
        Some(&self.registration)
    }

    fn effect_applier(&self) -> EffectApplier<'_> {
        self.registry.effect_applier()
    }

    fn postponed_move(&mut self) -> &mut Option<Box<PostponedMove>> {
        &mut self.postponed_move
    }

    fn take_pre_snapshots(&mut self) -> PreSnapshots {
        std::mem::take(&mut self.pre_snapshots)
    }

    async fn capture_trial_state(&mut self) -> Option<Result<TrialState, MigrationError>> {
        let state = self.with_instance(Instance::capture_trial_state).await?;
        if let Err(error) = &state {
            self.replace_if_dead(error).await;
        }
        Some(state)
    }

    /// Moves all consumers, or none. In a rollback no consumer can keep the version that it runs: one that cannot move
    /// is closed, unless the policy is to restart it.
    async fn replace_instance(
        &mut self,
        to: Arc<Version>,
        mut source: StateSource,
        direction: Direction,
        patience: MovePatience,
    ) -> Result<Migration, MigrationError> {
        let lost = || MigrationError::Snapshot(GuestFault::InstanceLost);
        let mut instance = self.instance.take().ok_or_else(lost)?;
        let policy = match (self.plugin().failed_move, direction) {
            (FailedMovePolicy::KeepOld, Direction::Rollback) => FailedMovePolicy::Close,
            (_, Direction::Restart) => FailedMovePolicy::Restart,
            (policy, _) => policy,
        };
        let work = move || {
            let migration = migrate(&mut instance, to, &mut source, policy, patience);
            (migration, source, instance)
        };
        let (migration, source, instance) = run_on_dedicated_thread(work).await.ok_or_else(lost)?;
        self.instance = Some(instance);
        if self.holds_effects() {
            self.instance.iter_mut().for_each(|instance| instance.stop_checkpoints());
        }
        if let (Err(MigrationError::Busy), StateSource::Running(saved)) = (&migration, source) {
            self.pre_snapshots = saved;
        }
        migration
    }

    async fn prepare_effects(&mut self, effects: &[Effect]) -> bool {
        !self.holds_effects() || self.save_before_effects(effects).await
    }

    /// Drops it on a blocking thread: an instance with many consumers takes long to drop.
    fn drop_old_instance(old: Box<Instance>) {
        drop(tokio::task::spawn_blocking(move || drop(old)));
    }

    async fn handle_failed_migration(
        &mut self,
        _to: Arc<Version>,
        error: MigrationError,
    ) -> MigrateResult {
        let count = self.instance.as_ref().map_or(0, |instance| instance.connections().count());
        self.replace_if_dead(&error).await;
        MigrateResult::all_kept_old(count as u64, error)
    }
}
