//! The task that owns a shared instance: it has it where its calls are long, where a swap wants it, and where it has died.

use std::sync::Arc;
use std::time::Duration;

use narrowboat_sync::ReclaimedContent;
use tokio::sync::{mpsc, oneshot};
use tracing::Instrument;

use super::instance_slot::{FatalCall, InstanceSlot, OwnerAction, ParkedInstance, QueuedCall};
use super::{CallResult, JOB_QUEUE_LIMIT, Job};
use crate::effect_applier::EffectApplier;
use crate::instance_binding::{CallOutcome, call_instance};
use crate::instance_registry::{InstanceRegistration, InstanceRegistry};
use crate::log_skipped_disconnects;
use crate::owner_command::{Direction, MigrateCommand, MigrateResult, OwnerCommand};
use narrowboat_config::FailedMovePolicy;
use narrowboat_core::close_frame::CloseFrame;
use narrowboat_core::fault::{Fault, GuestFault, HostFault};
use narrowboat_runtime::{
    Call, ConnectionId, GuestReply, Instance, Migration, MigrationError, MigrationStats, Plugin,
    PreSnapshots, StateSource, Version, migrate, restart_consumers, run_on_dedicated_thread,
};

/// Consumers that are saved ahead of a move between two looks at the queue.
const SNAPSHOT_BATCH_SIZE: usize = 32;

/// Times that the owner looks for an instance whose call is not over, before it takes that for a long one.
const MAX_YIELDS: u32 = 64;

/// Between two looks then.
const RECLAIM_RETRY_INTERVAL: Duration = Duration::from_millis(1);

/// The task that owns the instance, and with it the store.
pub(super) struct SharedInstanceTask {
    registry: Arc<InstanceRegistry>,
    registration: InstanceRegistration,
    /// Boxed, since it moves to a guest thread and back. `None` before the first event, after a failure, and
    /// while it is lent.
    instance: Option<Box<Instance>>,
    /// Where it is left while nothing waits for it.
    slot: Arc<InstanceSlot>,
    /// What has been saved of it ahead of a move.
    pre_snapshots: PreSnapshots,
}

impl SharedInstanceTask {
    /// Of an instance that is made at the first event.
    pub(super) fn new(
        roster: &Arc<InstanceRegistry>,
        registration: InstanceRegistration,
        place: &Arc<InstanceSlot>,
    ) -> Self {
        let (registry, slot) = (Arc::clone(roster), Arc::clone(place));
        Self {
            registry,
            registration,
            instance: None,
            slot,
            pre_snapshots: PreSnapshots::default(),
        }
    }

    /// To the end of the instance, however that comes: it fails, or its plugin is retired and the last of its connections
    /// has gone. The queue is dropped before the owner, whose drop has whoever waits go to another instance, and not here
    /// again.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        self.run_loop(&mut queue).await;
    }

    async fn run_loop(&mut self, queue: &mut mpsc::Receiver<Job>) {
        loop {
            // Between any two jobs, so that sessions which could enter by themselves do not queue up behind
            // one that could not.
            self.slot.park(self.instance.take());
            let job = match self.slot.pop_queued() {
                Some(waiting) => Job::Call(waiting),
                None => {
                    // Whoever has an event, or a consumer here, has a sender too.
                    let Some(job) = queue.recv().await else { return };
                    job
                }
            };
            if !self.reclaim_instance().await {
                return;
            }
            if let Job::Command(OwnerCommand::Migrate(MigrateCommand {
                direction: Direction::Forward,
                ..
            })) = &job
            {
                self.pre_snapshot_consumers(queue).await;
            }
            let looked = matches!(job, Job::Wake);
            self.run_job(job).await;
            if self.instance.is_none() && !looked {
                return;
            }
        }
    }

    /// Takes the instance back, once the call in it is over. No thread waits meanwhile. False if it has died,
    /// and with it its connections.
    async fn reclaim_instance(&mut self) -> bool {
        let mut waits = 0;
        let due = loop {
            if let Some(ReclaimedContent {
                content: ParkedInstance { instance, owner_action: due },
                is_poisoned: broken,
            }) = self.slot.take_parked()
            {
                self.instance = instance;
                if broken {
                    self.fail_all_connections();
                    return false;
                }
                break due;
            }
            waits += 1;
            if waits < MAX_YIELDS {
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(RECLAIM_RETRY_INTERVAL).await;
            }
        };
        match due {
            None => return true,
            Some(OwnerAction::FatalCall(FatalCall { call, fault, reply: to })) => {
                let answer = self.handle_fatal_fault(call, fault).await;
                self.send_reply(to, answer).await;
            }
            Some(OwnerAction::Disconnect(id)) => self.disconnect_abandoned(id).await,
        }
        self.instance.is_some()
    }

    async fn run_job(&mut self, job: Job) {
        match job {
            Job::Call(waiting) if waiting.is_abandoned() => {}
            Job::Call(QueuedCall { call, reply: to, span }) => {
                let answer = self.call_with_recovery(call).instrument(span).await;
                self.send_reply(to, answer).await;
            }
            Job::Wake => {}
            Job::Command(order) => self.run_command(order).await,
        }
    }

    /// Answers whoever waits for an event. If the peer left while its handshake was decided, its consumer is told so.
    async fn send_reply(&mut self, to: oneshot::Sender<CallResult>, answer: CallResult) {
        if let Err(Ok(GuestReply::Accepted(id, _))) = to.send(answer) {
            self.disconnect_abandoned(id).await;
        }
    }

    async fn disconnect_abandoned(&mut self, id: ConnectionId) {
        let _ = self.call_with_recovery(Call::Disconnect(id, CloseFrame::abnormal())).await;
    }

    /// Saves consumers a few at a time, taking up in between what comes for them, so that the move
    /// itself has to save only those that changed meanwhile.
    async fn pre_snapshot_consumers(&mut self, queue: &mut mpsc::Receiver<Job>) {
        self.pre_snapshots = PreSnapshots::default();
        let consumers = self.instance.as_ref().map_or_else(Vec::new, |it| it.consumer_ids());
        if consumers.len() <= SNAPSHOT_BATCH_SIZE {
            return;
        }
        for some in consumers.chunks(SNAPSHOT_BATCH_SIZE) {
            let (some, mut ahead) = (some.to_vec(), std::mem::take(&mut self.pre_snapshots));
            let saved = self.with_instance(move |instance| {
                instance.pre_snapshot(&some, &mut ahead);
                ahead
            });
            let Some(ahead) = saved.await else { return };
            self.pre_snapshots = ahead;
            for _ in 0..JOB_QUEUE_LIMIT {
                let Ok(job) = queue.try_recv() else { break };
                self.run_job(job).await;
                if self.instance.is_none() {
                    return;
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// One call, its effects applied. An instance that died of it goes back to the version before,
    /// if it left that not long ago, and the event is brought there; else its connections end.
    async fn call_with_recovery(&mut self, call: Call) -> CallResult {
        let called = self.call_and_apply(call).await;
        match (called.result, called.unapplied_call) {
            (Err(fault), Some(call)) => self.handle_fatal_fault(call, fault).await,
            (answer, _) => answer,
        }
    }

    /// Goes on after the instance has died of an event.
    async fn handle_fatal_fault(&mut self, call: Call, fault: GuestFault) -> CallResult {
        if self.roll_back_instance(&fault).await {
            return Box::pin(self.call_with_recovery(call)).await;
        }
        self.fail_all_connections();
        Err(fault)
    }

    /// One call, its effects applied.
    async fn call_and_apply(&mut self, call: Call) -> CallOutcome {
        if let Some(id) = call.consumer() {
            self.pre_snapshots.invalidate(id);
        }
        let instance = match self.instance.take() {
            Some(instance) => Ok(instance),
            None => self.start_instance().await,
        };
        let mut instance = match instance {
            Ok(instance) => instance,
            Err(fault) => return CallOutcome::failed(fault),
        };
        let slow = instance.version().needs_guest_thread();
        let work = move || (call_instance(&mut instance, call), instance);
        let returned = if slow { self.plugin().executor.run(work).await } else { Some(work()) };
        let Some((mut called, instance)) = returned else {
            return CallOutcome::failed(GuestFault::SharedInstanceFailed);
        };
        self.instance = Some(instance);
        self.effect_applier().apply(std::mem::take(&mut called.effects));
        called
    }

    /// Has something done with the instance, where its calls run. `None` if there is none.
    async fn with_instance<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Instance) -> T + Send + 'static,
    ) -> Option<T> {
        let mut instance = self.instance.take()?;
        let slow = instance.version().needs_guest_thread();
        let work = move || {
            let done = work(&mut instance);
            (done, instance)
        };
        let done = if slow { self.plugin().executor.run(work).await } else { Some(work()) };
        let (done, instance) = done?;
        self.instance = Some(instance);
        Some(done)
    }

    async fn start_instance(&self) -> Result<Box<Instance>, GuestFault> {
        let version = self.plugin().live_version();
        let places = version.reserve_pool_slots()?;
        let instance = if version.needs_guest_thread() {
            let work = move || Instance::new(version, places);
            self.plugin().executor.run(work).await.ok_or(GuestFault::SharedInstanceFailed)?
        } else {
            Instance::new(version, places)
        };
        instance.map(Box::new)
    }

    async fn run_command(&mut self, order: OwnerCommand) {
        match order {
            OwnerCommand::CaptureTrialState(answer) => {
                let Some(sample) = self.with_instance(Instance::capture_trial_state).await else {
                    return;
                };
                let why = sample.as_ref().err().cloned();
                let _ = answer.send(sample);
                self.handle_failed_snapshot(why).await;
            }
            OwnerCommand::Migrate(MigrateCommand { to, direction, reply: done }) => {
                let moving = self.migrate_to(to, direction).await;
                let why = moving.error.clone();
                let _ = done.send(moving);
                self.handle_failed_snapshot(why).await;
            }
        }
    }

    async fn migrate_to(&mut self, to: Arc<Version>, direction: Direction) -> MigrateResult {
        let running = self.instance.as_ref().map(|instance| instance.version());
        if running.is_none_or(|version| Arc::ptr_eq(version, &to)) {
            return MigrateResult::default();
        }
        let way =
            self.registration.state_source(direction, std::mem::take(&mut self.pre_snapshots));
        match self.migrate_instance(to, way, direction).await {
            Ok(outcome) => MigrateResult { stats: outcome, error: None },
            Err(why) => {
                let count =
                    self.instance.as_ref().map_or(0, |instance| instance.connections().count());
                MigrateResult::all_kept_old(count as u64, why)
            }
        }
    }

    /// Takes all consumers to another version, or leaves everything as it was. On the way back
    /// nobody can stay: whoever came later and cannot move is closed, unless the policy is to
    /// restart it.
    async fn migrate_instance(
        &mut self,
        to: Arc<Version>,
        way: StateSource,
        direction: Direction,
    ) -> Result<MigrationStats, MigrationError> {
        let gone = || MigrationError::Snapshot(GuestFault::SharedInstanceFailed);
        let mut instance = self.instance.take().ok_or_else(gone)?;
        let policy = match (self.plugin().failed_move, direction) {
            (FailedMovePolicy::KeepOld, Direction::Rollback) => FailedMovePolicy::Close,
            (policy, _) => policy,
        };
        let work = move || (migrate(&mut instance, to, way, policy), instance);
        let (moved, instance) = run_on_dedicated_thread(work).await.ok_or_else(gone)?;
        self.instance = Some(instance);
        let Migration { effects, rollback_snapshot: left, stats: outcome, old_instance: old } =
            moved?;
        // That of many consumers takes a while, for which nobody has to wait.
        drop(tokio::task::spawn_blocking(move || drop(old)));
        if direction == Direction::Forward {
            self.registration.store_snapshot(left);
        }
        self.effect_applier().apply(effects);
        Ok(outcome)
    }

    /// Takes an instance that has failed back to the version it came from, if the one it runs is
    /// new; true if it has arrived.
    async fn roll_back_instance(&mut self, fault: &GuestFault) -> bool {
        let Some(left) = self.registration.take_snapshot() else { return false };
        self.pre_snapshots = PreSnapshots::default();
        let to = Arc::clone(left.version());
        let digest = to.digest().short_hex();
        let back =
            self.migrate_instance(to, StateSource::Rollback(left), Direction::Rollback).await;
        let plugin = &*self.plugin().label;
        match &back {
            Ok(MigrationStats { moved, lost_events: undone, .. }) => tracing::warn!(
                plugin,
                "{fault}: its {moved} consumers go back to version {digest}, and to the state they \
                 left it with; the changes of {undone} events are lost"
            ),
            Err(why) => {
                tracing::warn!(plugin, "{fault}; and no way back to version {digest}: {why}");
            }
        }
        self.registration.notify_self_rollback();
        back.is_ok()
    }

    /// If the instance died of being saved: its consumers begin afresh, if that is the policy, or
    /// their connections end.
    async fn handle_failed_snapshot(&mut self, why: Option<MigrationError>) {
        let Some(why) = why else { return };
        let Some(old) = self.instance.take_if(|instance| instance.is_dead()) else { return };
        let (digest, consumers) = (old.version().digest(), old.consumer_ids().len());
        let links: Vec<_> = old.connections().cloned().collect();
        if self.plugin().failed_move == FailedMovePolicy::Restart {
            let live = self.plugin().live_version();
            if let Some(Ok((instance, effects))) =
                run_on_dedicated_thread(move || restart_consumers(&old, live)).await
            {
                self.instance = Some(instance);
                self.effect_applier().apply(effects);
                return;
            }
        }
        let lost = Fault::Host(HostFault::StateLost(why.to_string()));
        lost.log(
            &self.plugin().label,
            &format!("{} connections", links.len()),
            &digest.short_hex(),
        );
        log_skipped_disconnects(&self.plugin().label, Some(digest), consumers);
        links.iter().for_each(|link| link.outbound.fail(lost.clone()));
    }

    /// The instance has failed, and with it all its connections.
    fn fail_all_connections(&mut self) {
        let Some(instance) = self.instance.take() else { return };
        let version = instance.version().digest();
        log_skipped_disconnects(&self.plugin().label, Some(version), instance.consumer_ids().len());
        for link in instance.connections() {
            link.outbound.fail(Fault::Guest(GuestFault::SharedInstanceFailed));
        }
    }

    fn plugin(&self) -> &Plugin {
        &self.registry.plugin
    }

    fn effect_applier(&self) -> EffectApplier<'_> {
        self.registry.effect_applier()
    }
}

impl Drop for SharedInstanceTask {
    fn drop(&mut self) {
        self.slot.close();
        // What an event has died of, and who waits for what comes of it, may lie there still.
        if let Some(ReclaimedContent {
            content: ParkedInstance { instance, owner_action: due },
            ..
        }) = self.slot.take_parked()
        {
            self.instance = self.instance.take().or(instance);
            drop(due);
        }
        if self.instance.as_ref().is_some_and(|instance| instance.connections().next().is_some()) {
            self.fail_all_connections();
        }
    }
}
