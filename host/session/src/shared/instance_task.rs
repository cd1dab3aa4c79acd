//! The task that owns a shared instance. It has the instance while calls are long, during a command of a rollout, and
//! after the instance has died; otherwise it parks the instance in its slot.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use narrowboat_sync::{NextDrainer, ReclaimedContent};
use tokio::sync::mpsc;
use tracing::Instrument;

use super::instance_slot::InstanceSlot;
use super::instance_state::{FatalCall, InstanceState, OwnerAction};
use super::job::{Job, refuse_calls};
use super::queued_call::{QueuedCall, ReplyTo};
use super::room_duty::wait_for_duty;
use crate::call_outcome::{CallOutcome, CallReply, call_instance, created_consumer};
use crate::instance_owner::InstanceOwner;
use crate::instance_registration::InstanceRegistration;
use crate::instance_registry::InstanceRegistry;
use crate::member_turn::MemberTurn;
use crate::migrating_owner::MigratingOwner;
use crate::owner_command::{Direction, MigrateCommand, OwnerCommand};
use crate::postponed_move::PostponedMove;
use crate::restart_limiter::RestartLimiter;
use crate::rooms::OpenRoom;
use crate::skipped_disconnects::log_skipped_disconnects;
use narrowboat_core::close_frame::CloseFrame;
use narrowboat_core::fault::{Fault, GuestFault};
use narrowboat_runtime::{Call, ConnectionId, Instance, Plugin, PreSnapshots};

/// Times that the owner yields while a session is in the slot, before it takes the call for a long one and sleeps.
const MAX_YIELDS: u32 = 64;

/// The sleep between two further attempts to take the instance back.
const RECLAIM_RETRY_INTERVAL: Duration = Duration::from_millis(1);

/// The task that owns a shared instance. Dropping it closes the slot, drops the queued calls, and ends the connections
/// of the instance.
pub(super) struct SharedInstanceTask {
    pub(super) registry: Arc<InstanceRegistry>,
    pub(super) registration: InstanceRegistration,
    /// Boxed, since it moves to a guest thread and back. `None` before the first call, after a failure, and while it is
    /// parked or lent.
    pub(super) instance: Option<Box<Instance>>,
    pub(super) slot: Arc<InstanceSlot>,
    /// Snapshots that were taken ahead of a migration.
    pub(super) pre_snapshots: PreSnapshots,
    /// The move to another version that the guest has postponed. Meanwhile the task keeps the instance.
    pub(super) postponed_move: Option<Box<PostponedMove>>,
    /// Whether a turn comes before the next job.
    is_turn_next: bool,
    /// The restarts after traps.
    pub(super) restart_limiter: RestartLimiter,
    /// The room that the instance is for. `None` for the shared instances of a plugin without rooms.
    pub(super) room: Option<Box<OpenRoom>>,
}

impl SharedInstanceTask {
    /// A task that owns an instance with this slot, which is made by the first call.
    pub(super) fn new(
        registry: &Arc<InstanceRegistry>,
        owner: InstanceOwner,
        slot: Arc<InstanceSlot>,
        room: Option<Box<OpenRoom>>,
    ) -> Self {
        Self {
            registry: Arc::clone(registry),
            registration: InstanceRegistration::new(registry, owner),
            instance: None,
            slot,
            pre_snapshots: PreSnapshots::default(),
            postponed_move: None,
            is_turn_next: false,
            restart_limiter: RestartLimiter::default(),
            room,
        }
    }

    /// Runs until the instance fails, or until its plugin has been retired and its last connection has ended. The
    /// queue is dropped before the task: a call that the drop fails is repeated in another instance, and not here.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        self.run_loop(&mut queue).await;
        self.store_last_alarm().await;
        self.release_room().await;
        let fault = self.room.as_mut().and_then(|room| room.wake_fault.take());
        if let Some(fault) = fault {
            refuse_calls(queue, &fault);
        }
    }

    async fn run_loop(&mut self, queue: &mut mpsc::Receiver<Job>) {
        loop {
            let Some(job) = self.next_job(queue).await else { return };
            if let Job::Command(OwnerCommand::Migrate(MigrateCommand {
                direction: Direction::Forward,
                ..
            })) = &job
            {
                self.pre_snapshot_consumers(queue).await;
            }
            let (is_wake, is_command) = (matches!(job, Job::Wake), matches!(job, Job::Command(_)));
            self.run_job(job).await;
            if self.postponed_move.is_some() && !is_command {
                self.continue_move().await;
            }
            if self.instance.is_none() && !is_wake {
                return;
            }
            if self.keep_room().await {
                return;
            }
        }
    }

    /// Waits for the next job, and takes the instance back for it. Returns `None` if the task has to end. Between any
    /// two jobs the instance is parked, so that sessions which could call it themselves do not queue up behind one that
    /// could not. It is not parked while a move is postponed, since the guest is asked again after each event, nor in a
    /// room whose effects wait for its state.
    async fn next_job(&mut self, queue: &mut mpsc::Receiver<Job>) -> Option<Job> {
        if self.postponed_move.is_some() || self.holds_effects() {
            return match self.next_waiting(queue) {
                Some(job) => Some(job),
                None => self.wait_for_job(queue).await,
            };
        }
        self.slot.park(self.instance.take());
        let job = match self.drain_slot(queue).await {
            Some(job) => job,
            // The queue ends with its last sender, so no session needs the instance then.
            None => self.wait_for_job(queue).await?,
        };
        self.reclaim_instance().await.then_some(job)
    }

    /// Waits for a job. It is [`Job::Wake`] if a room has a duty, or at the end of `move_wait` if a move is postponed.
    async fn wait_for_job(&mut self, queue: &mut mpsc::Receiver<Job>) -> Option<Job> {
        let Self { room, registry, postponed_move, .. } = self;
        let due = async {
            match (postponed_move, room) {
                (Some(postponed), Some(room)) => tokio::select! {
                    () = std::future::poll_fn(|cx| postponed.poll_due(cx)) => {}
                    () = room.presence.wait_for_change() => {}
                },
                (Some(postponed), None) => {
                    std::future::poll_fn(|cx| postponed.poll_due(cx)).await;
                }
                (None, Some(room)) => wait_for_duty(room, registry).await,
                (None, None) => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = due => Some(Job::Wake),
            job = queue.recv() => job,
        }
    }

    /// Makes the calls that wait at the slot while the instance is parked, in pieces. Returns the next job if there is one
    /// before the end: a call that cannot be made at the slot, or a job that came meanwhile.
    async fn drain_slot(&mut self, queue: &mut mpsc::Receiver<Job>) -> Option<Job> {
        loop {
            self.slot.begin_owner_look();
            if self.slot.drain(&self.registry.effect_applier()) != NextDrainer::Owner {
                return None;
            }
            if !self.slot.is_ready() {
                return Some(self.next_waiting(queue).unwrap_or(Job::Wake));
            }
            if let Ok(job) = queue.try_recv() {
                return Some(job);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Takes a call, a job or a turn that waits. Jobs and turns alternate, so that sessions whose calls are jobs do not wait
    /// for a whole room, and a room does not wait for all of them.
    pub(super) fn next_waiting(&mut self, queue: &mut mpsc::Receiver<Job>) -> Option<Job> {
        self.slot.begin_owner_look();
        if let Some(call) = self.slot.pop_call() {
            return Some(Job::Call(call));
        }
        let turn = if std::mem::take(&mut self.is_turn_next) { self.slot.pop_turn() } else { None };
        if let Some(turn) = turn {
            return Some(Job::Turn(turn));
        }
        match queue.try_recv() {
            Ok(job) => {
                self.is_turn_next = true;
                Some(job)
            }
            Err(_) => self.slot.pop_turn().map(Job::Turn),
        }
    }

    /// Takes the instance back from the slot after the call in it, and does what its state asks of the owner. Returns
    /// false if the instance has failed, and with it its connections. No thread blocks meanwhile.
    pub(super) async fn reclaim_instance(&mut self) -> bool {
        let ReclaimedContent { content, is_poisoned } = self.wait_for_slot().await;
        let (instance, action) = content.into_parts();
        self.instance = instance;
        if is_poisoned {
            self.fail_all_connections();
            return false;
        }
        match action {
            None => return true,
            Some(OwnerAction::Recover(FatalCall { call, fault, reply })) => {
                let to = reply;
                let reply = self.handle_fatal_fault(call, fault).await;
                self.send_reply(to, reply).await;
            }
            Some(OwnerAction::Disconnect(id)) => self.disconnect_abandoned(id).await,
        }
        self.instance.is_some()
    }

    async fn wait_for_slot(&self) -> ReclaimedContent<InstanceState> {
        let mut attempts = 0;
        loop {
            if let Some(reclaimed) = self.slot.take_parked() {
                return reclaimed;
            }
            attempts += 1;
            if attempts < MAX_YIELDS {
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(RECLAIM_RETRY_INTERVAL).await;
            }
        }
    }

    pub(super) async fn run_job(&mut self, job: Job) {
        match job {
            Job::Call(queued) if queued.is_abandoned() => {}
            Job::Call(QueuedCall { call, reply, span }) => {
                let to = ReplyTo::Session(reply);
                // While a move is postponed, the guest is asked after each event.
                let (call, rest) = match self.postponed_move {
                    Some(_) => call.split_first_event(),
                    None => (call, VecDeque::new()),
                };
                let mut reply = self.call_with_recovery(call).instrument(span).await;
                reply.rest.extend(rest);
                self.send_reply(to, reply).await;
            }
            Job::Turn(turn) => self.run_turn(turn).await,
            Job::Wake => {}
            Job::Command(OwnerCommand::Migrate(command)) if self.lacks_rollback_state(&command) => {
                self.restart_for_rollback(command);
            }
            Job::Command(command) => self.run_command(command).await,
            Job::EndRoom(request) => self.end_room(request).await,
            Job::Alarm(alarm) => {
                self.wake_for_alarm(alarm).await;
            }
        }
    }

    /// Calls the consumer of a member for one message in its mailbox, and puts the turn behind those of the other members.
    async fn run_turn(&mut self, mut turn: MemberTurn) {
        let Some(call) = turn.next_call() else { return };
        let span = turn.call_span(&call);
        let reply = self.call_with_recovery(call).instrument(span).await;
        let version = self.instance.as_ref().map(|instance| instance.version().digest());
        turn.handle_result(reply.result, version);
        self.slot.requeue(turn);
    }

    /// Replies to the sender of a call. If its client left during the handshake, calls `disconnect` instead.
    async fn send_reply(&mut self, to: ReplyTo, reply: CallReply) {
        if let Err(unreceived) = to.send(reply)
            && let Some(id) = created_consumer(&unreceived.result)
        {
            self.disconnect_abandoned(id).await;
        }
    }

    async fn disconnect_abandoned(&mut self, id: ConnectionId) {
        let _ = self.call_with_recovery(Call::Disconnect(id, CloseFrame::abnormal())).await;
    }

    /// Makes a call and applies its effects. If the instance dies of the call and was migrated not long ago, rolls it
    /// back and makes the call there. Otherwise another instance goes on without the event, or the connections of the
    /// instance end.
    pub(super) async fn call_with_recovery(&mut self, call: Call) -> CallReply {
        match self.call_and_apply(call).await.into_reply() {
            Ok(reply) => reply,
            Err((call, fault)) => self.handle_fatal_fault(call, fault).await,
        }
    }

    /// Makes a call, in a new instance if there is none, and applies its effects.
    async fn call_and_apply(&mut self, call: Call) -> CallOutcome {
        if let Some(id) = call.consumer() {
            self.pre_snapshots.invalidate(id);
        }
        if self.instance.is_none()
            && let Err(fault) = self.start_instance().await
        {
            return CallOutcome::failed(fault);
        }
        let outcome = self.with_instance(move |instance| call_instance(instance, call)).await;
        let Some(mut outcome) = outcome else {
            return CallOutcome::failed(GuestFault::InstanceLost);
        };
        let effects = std::mem::take(&mut outcome.effects);
        if self.holds_effects() {
            // The state after the events of a call that killed the instance is lost, so they have no effects.
            if self.instance.as_ref().is_some_and(|instance| instance.is_dead()) {
                return outcome;
            }
            if !self.save_before_effects(&effects).await {
                let problem = "its state could not be saved".to_owned();
                return CallOutcome::failed(GuestFault::RoomUnavailable(problem));
            }
        }
        self.effect_applier().apply(effects);
        outcome
    }

    /// Runs `work` with the instance: on a guest thread if its version needs one, else here. Returns `None` if there
    /// is no instance, or if a panic has ended the work and with it the instance.
    pub(super) async fn with_instance<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Instance) -> T + Send + 'static,
    ) -> Option<T> {
        let mut instance = self.instance.take()?;
        let needs_guest_thread = instance.version().needs_guest_thread();
        let work = move || (work(&mut instance), instance);
        let returned =
            if needs_guest_thread { self.plugin().executor.run(work).await } else { Some(work()) };
        let (result, instance) = returned?;
        self.instance = Some(instance);
        Some(result)
    }

    pub(super) async fn start_instance(&mut self) -> Result<(), GuestFault> {
        if self.room.is_some() {
            let woken = self.wake_room().await;
            if let (Some(room), Err(fault)) = (&mut self.room, &woken) {
                room.wake_fault = Some(fault.clone());
            }
            return woken;
        }
        let version = self.plugin().live_version();
        let pool_slots = version.reserve_pool_slots()?;
        let instance = if version.starts_on_guest_thread() {
            let work = move || Instance::new(version, pool_slots);
            self.plugin().executor.run(work).await.ok_or(GuestFault::InstanceLost)?
        } else {
            Instance::new(version, pool_slots)
        };
        self.instance = Some(Box::new(instance?));
        Ok(())
    }

    /// Drops the failed instance and ends its connections.
    pub(super) fn fail_all_connections(&mut self) {
        let Some(instance) = self.instance.take() else { return };
        self.count_lost_events(&instance);
        let version = instance.version().digest();
        log_skipped_disconnects(&self.plugin().label, Some(version), instance.consumer_ids().len());
        for connection in instance.connections() {
            connection.outbound.fail(Fault::Guest(GuestFault::InstanceLost));
        }
    }

    pub(super) fn plugin(&self) -> &Plugin {
        &self.registry.plugin
    }
}

impl Drop for SharedInstanceTask {
    fn drop(&mut self) {
        if let Some(room) = &self.room {
            self.registry.rooms.remove(&room.name, &room.presence);
            room.alarm.stored().iter().for_each(|alarm| self.registry.rooms.alarms.add(alarm.time));
        }
        let parked = self.slot.take_parked();
        self.slot.close();
        if let Some(ReclaimedContent { content, .. }) = parked {
            let (instance, action) = content.into_parts();
            self.instance = self.instance.take().or(instance);
            // The action may hold the reply of a fatal call: its sender learns from the drop that the instance is gone.
            drop(action);
        }
        if self.instance.as_ref().is_some_and(|instance| instance.connections().next().is_some()) {
            self.fail_all_connections();
        }
    }
}
