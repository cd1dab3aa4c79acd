//! A session's handle to a shared instance.

use std::sync::Arc;

use narrowboat_sync::NextDrainer;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot::error::RecvError;
use tokio::sync::{mpsc, oneshot};

use super::instance_slot::{EnterOutcome, InstanceSlot};
use super::job::Job;
use super::queued_call::QueuedCall;
use crate::call_outcome::{CallOutcome, CallReply};
use crate::charged_flush::flush_charged;
use crate::effect_applier::EffectApplier;
use crate::guarded_receiver::GuardedReceiver;
use crate::member_turn::MemberTurn;
use crate::pending_call::PendingCall;
use crate::rooms::RoomVisit;
use narrowboat_core::deferred_flush::defer_flushes;
use narrowboat_core::fault::GuestFault;
use narrowboat_runtime::Call;

/// A handle to a shared instance. The instance's task ends when the last handle is dropped, unless the table of shared
/// instances keeps it alive.
#[derive(Clone)]
pub(crate) struct SharedInstance {
    pub(super) jobs: mpsc::Sender<Job>,
    pub(super) slot: Arc<InstanceSlot>,
    /// The visitor of a room for whom this handle is, and its clones.
    _visit: Option<Arc<RoomVisit>>,
}

/// A call that has been started.
enum StartedCall {
    /// The call has returned.
    Completed(CallOutcome),
    /// Another session or the owner makes the call, after the job has been sent if there is one.
    Waiting(Option<Job>, oneshot::Receiver<CallReply>),
}

impl SharedInstance {
    /// A handle to an instance whose task has the other end of `jobs`.
    pub(crate) fn new(jobs: mpsc::Sender<Job>) -> Self {
        Self::with_slot(jobs, Arc::default())
    }

    pub(super) fn with_slot(jobs: mpsc::Sender<Job>, slot: Arc<InstanceSlot>) -> Self {
        Self { jobs, slot, _visit: None }
    }

    /// A handle for a visitor of a room, who leaves the room when the last clone of the handle is dropped.
    pub(crate) fn for_visitor(&self, visit: RoomVisit) -> Self {
        Self { _visit: Some(Arc::new(visit)), ..self.clone() }
    }

    /// Sends a job to the owner. Returns false if the task has ended.
    pub(crate) async fn send_job(&self, job: Job) -> bool {
        self.jobs.send(job).await.is_ok()
    }

    /// Whether the task of the instance has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.jobs.is_closed()
    }

    /// Calls the instance: at once if it is parked and its calls are short, else through the session that is in it or
    /// through its owner.
    pub(crate) fn call(&self, call: Call, applier: &EffectApplier<'_>) -> PendingCall<CallOutcome> {
        let _guard = WakeOwnerOnPanic(self);
        match self.start(call, applier) {
            StartedCall::Completed(outcome) => PendingCall::Ready(outcome),
            StartedCall::Waiting(job, receiver) => self.wait(job, receiver),
        }
    }

    /// Makes a call whose result must not be lost, as [`SharedInstance::call`] does. A result that is not received,
    /// because the returned future is dropped, goes to `on_unreceived`; or to the session or the owner that makes the
    /// call, if the future has been dropped before.
    pub(crate) fn connect(
        &self,
        call: Call,
        applier: &EffectApplier<'_>,
        on_unreceived: impl FnMut(CallReply) + Send + Unpin + 'static,
    ) -> PendingCall<CallOutcome> {
        let _guard = WakeOwnerOnPanic(self);
        match self.start(call, applier) {
            StartedCall::Completed(outcome) => PendingCall::Ready(outcome),
            StartedCall::Waiting(job, receiver) => {
                self.wait(job, GuardedReceiver::new(receiver, on_unreceived))
            }
        }
    }

    /// Queues the turn of a member whose session rests: for the thread that is in the instance, or else for the owner.
    /// Returns false if the instance has ended.
    pub(super) fn queue_turn(&self, turn: impl FnOnce() -> MemberTurn) -> bool {
        let drainer = self.slot.queue_turn(turn);
        if drainer == Some(NextDrainer::Owner) {
            self.notify_owner();
        }
        drainer.is_some()
    }

    /// Takes the turns of members whose sessions rest, or lets the owner take them. Call it at the end of each wake-up
    /// that has called the instance.
    pub(crate) fn drain_turns(&self, applier: &EffectApplier<'_>) {
        if !self.slot.has_waiting() {
            return;
        }
        let _guard = WakeOwnerOnPanic(self);
        let (scope, quota) = (defer_flushes(), &applier.plugin.quota);
        if self.slot.drain(applier) == NextDrainer::Owner {
            self.notify_owner();
        }
        // Nothing to write in a session, which writes the frames of its whole wake-up together.
        scope.end(|list| flush_charged(quota, list));
    }

    fn start(&self, call: Call, applier: &EffectApplier<'_>) -> StartedCall {
        match self.slot.try_call(call, applier) {
            EnterOutcome::Completed(outcome) => {
                self.drain_calls(applier);
                StartedCall::Completed(outcome)
            }
            EnterOutcome::Queued(receiver) => {
                // The session that was in the slot may have left it before this call was queued.
                self.drain_calls(applier);
                StartedCall::Waiting(None, receiver)
            }
            EnterOutcome::Died(receiver) => {
                let _ = self.wake_owner();
                StartedCall::Waiting(None, receiver)
            }
            EnterOutcome::Unavailable(call) => {
                let (queued, receiver) = QueuedCall::new(call);
                StartedCall::Waiting(Some(Job::Call(queued)), receiver)
            }
        }
    }

    /// Returns a future that sends the job, if there is one, and waits for the reply.
    fn wait(
        &self,
        job: Option<Job>,
        reply: impl Future<Output = Result<CallReply, RecvError>> + Send + 'static,
    ) -> PendingCall<CallOutcome> {
        let Some(job) = job else {
            return PendingCall::Running(Box::pin(async {
                (CallOutcome::from_reply(reply.await), None)
            }));
        };
        let jobs = self.jobs.clone();
        PendingCall::Running(Box::pin(async move {
            let outcome = match jobs.send(job).await {
                Ok(()) => CallOutcome::from_reply(reply.await),
                Err(_) => CallOutcome::failed(GuestFault::InstanceLost),
            };
            (outcome, None)
        }))
    }

    /// Makes the calls that others have queued, or lets the owner make them.
    fn drain_calls(&self, applier: &EffectApplier<'_>) {
        if self.slot.drain_calls(applier) == NextDrainer::Owner {
            let _ = self.wake_owner();
        }
    }

    /// Wakes the owner for the queues of the slot, unless it will look at them anyway.
    fn notify_owner(&self) {
        if self.slot.notify_owner() && self.wake_owner().is_err() {
            // The next notification tries again.
            self.slot.begin_owner_look();
        }
    }

    /// Wakes the owner. An owner whose queue is full looks at the slot anyway, and an owner that ends drops all queued
    /// calls.
    fn wake_owner(&self) -> Result<(), TrySendError<Job>> {
        self.jobs.try_send(Job::Wake)
    }
}

/// Wakes the owner when it is dropped by a panic: the panic has poisoned the slot, and the owner ends its connections.
struct WakeOwnerOnPanic<'a>(&'a SharedInstance);

impl Drop for WakeOwnerOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.0.wake_owner();
        }
    }
}
