//! Shared isolation: one task owns an instance, and many sessions bring it their events.

mod instance_slot;
mod instance_task;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use narrowboat_sync::NextDrainer;
use tokio::sync::oneshot::error::RecvError;
use tokio::sync::{mpsc, oneshot};
use tracing::Span;

use super::disconnect::{DisconnectContext, GuardedReceiver};
use super::effect_applier::EffectApplier;
use super::instance_binding::{CallOutcome, InstanceBinding, PendingCall};
use super::instance_registry::{InstanceOwner, InstanceRegistry};
use super::owner_command::OwnerCommand;
use instance_slot::{EnterOutcome, InstanceSlot, QueuedCall};
use instance_task::SharedInstanceTask;
use narrowboat_core::fault::GuestFault;
use narrowboat_runtime::{Call, GuestReply};

/// Events that wait for one instance; further sessions wait to queue theirs.
const JOB_QUEUE_LIMIT: usize = 256;

type CallResult = Result<GuestReply, GuestFault>;

/// What the owner of an instance is brought.
pub(super) enum Job {
    /// An event.
    Call(QueuedCall),
    /// To look what became of the instance, and what waits for it.
    Wake,
    /// What a swap asks.
    Command(OwnerCommand),
}

/// The way to a shared instance. Its task ends when nobody has one any more.
#[derive(Clone)]
pub(super) struct SharedInstance {
    jobs: mpsc::Sender<Job>,
    slot: Arc<InstanceSlot>,
}

/// The shared instances of one plugin, made when first needed and again after a trap.
pub(super) struct SharedInstances {
    table: Mutex<SharedInstanceTable>,
}

struct SharedInstanceTable {
    entries: Vec<Option<SharedInstanceEntry>>,
    /// The slot the next connection goes to, in turn.
    next_index: usize,
    /// Nothing leads to the plugin any more: its instances live as long as their connections.
    retired: bool,
}

/// A shared instance that new connections go to.
struct SharedInstanceEntry {
    jobs: mpsc::WeakSender<Job>,
    slot: Arc<InstanceSlot>,
    /// Has it live on without connections.
    keepalive: Option<mpsc::Sender<Job>>,
}

impl SharedInstanceEntry {
    fn upgrade(&self) -> Option<SharedInstance> {
        let jobs = self.jobs.upgrade().filter(|jobs| !jobs.is_closed())?;
        Some(SharedInstance { jobs, slot: Arc::clone(&self.slot) })
    }
}

impl SharedInstances {
    /// So many empty slots.
    pub(super) fn new(count: usize) -> Self {
        let instances = std::iter::repeat_with(|| None).take(count).collect();
        Self {
            table: Mutex::new(SharedInstanceTable {
                entries: instances,
                next_index: 0,
                retired: false,
            }),
        }
    }

    /// From now on an instance ends with its last connection.
    pub(super) fn retire(&self) {
        let mut slots = self.lock();
        slots.retired = true;
        let unused: Vec<_> =
            slots.entries.iter_mut().flatten().map(|it| it.keepalive.take()).collect();
        drop(slots);
        drop(unused);
    }

    fn lock(&self) -> MutexGuard<'_, SharedInstanceTable> {
        // Nothing in here panics between two writes, so poisoned slots are still whole.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InstanceRegistry {
    /// The instance for a new connection.
    pub(super) fn acquire_shared_instance(self: &Arc<Self>) -> SharedInstance {
        let mut slots = self.shared.lock();
        let index = slots.next_index;
        slots.next_index = (index + 1) % slots.entries.len();
        if let Some(instance) = slots.entries[index].as_ref().and_then(SharedInstanceEntry::upgrade)
        {
            return instance;
        }
        let (jobs, queue) = mpsc::channel(JOB_QUEUE_LIMIT);
        let listed = self.register(InstanceOwner::Shared(jobs.downgrade()));
        let place = Arc::<InstanceSlot>::default();
        let owner = SharedInstanceTask::new(self, listed, &place);
        tokio::spawn(owner.run(queue));
        let alive = (!slots.retired).then(|| jobs.clone());
        let kept = SharedInstanceEntry {
            jobs: jobs.downgrade(),
            slot: Arc::clone(&place),
            keepalive: alive,
        };
        slots.entries[index] = Some(kept);
        SharedInstance { jobs, slot: place }
    }
}

impl SharedInstance {
    /// Brings an event to the instance: at once, if it is at leave and its calls are short, else by whoever is in
    /// it, or by its owner.
    pub(super) fn call(&self, call: Call, outlet: &EffectApplier<'_>) -> PendingCall<CallOutcome> {
        let _told = WakeOwnerOnPanic(self);
        match self.slot.try_call(call, outlet) {
            EnterOutcome::Completed(called) => {
                self.drain_waiters(outlet);
                PendingCall::Ready(called)
            }
            EnterOutcome::Queued(answered) => {
                // Whoever was in it may have gone meanwhile.
                self.drain_waiters(outlet);
                PendingCall::Running(Box::pin(async { (outcome_from_reply(answered.await), None) }))
            }
            EnterOutcome::Died(answered) => {
                self.wake_owner();
                PendingCall::Running(Box::pin(async { (outcome_from_reply(answered.await), None) }))
            }
            EnterOutcome::Unavailable(call) => {
                let (to, answered) = oneshot::channel();
                self.send_job(
                    Job::Call(QueuedCall { call, reply: to, span: Span::current() }),
                    answered,
                )
            }
        }
    }

    /// Brings a handshake to the instance, as [`SharedInstance::call`] does an event. What is accepted and not
    /// received is undone: by this when it is dropped with the answer in it, else by whoever finds nobody waiting.
    pub(super) fn connect(&self, call: Call, undo: &DisconnectContext) -> PendingCall<CallOutcome> {
        let _told = WakeOwnerOnPanic(self);
        let outlet = undo.registry.effect_applier();
        let (job, answered) = match self.slot.try_call(call, &outlet) {
            EnterOutcome::Completed(called) => {
                self.drain_waiters(&outlet);
                return PendingCall::Ready(called);
            }
            EnterOutcome::Queued(answered) => {
                self.drain_waiters(&outlet);
                (None, answered)
            }
            EnterOutcome::Died(answered) => {
                self.wake_owner();
                (None, answered)
            }
            EnterOutcome::Unavailable(call) => {
                let (to, answered) = oneshot::channel();
                (Some(Job::Call(QueuedCall { call, reply: to, span: Span::current() })), answered)
            }
        };
        let (undo, instance) = (undo.clone(), self.clone());
        let receiving = GuardedReceiver::new(answered, move |answer: CallResult| {
            if let Ok(GuestReply::Accepted(id, _)) = answer {
                let seat = InstanceBinding::Shared(Arc::clone(&undo.registry), instance.clone());
                undo.clone().disconnect(seat, id);
            }
        });
        let jobs = self.jobs.clone();
        PendingCall::Running(Box::pin(async move {
            if let Some(job) = job
                && jobs.send(job).await.is_err()
            {
                return (CallOutcome::failed(GuestFault::SharedInstanceFailed), None);
            }
            (outcome_from_reply(receiving.await), None)
        }))
    }

    /// Takes up what others have for the instance, or has its owner do so.
    fn drain_waiters(&self, outlet: &EffectApplier<'_>) {
        if self.slot.drain_waiters(outlet) == NextDrainer::Owner {
            self.wake_owner();
        }
    }

    /// Has the owner look. One with a full queue looks without being told, and one that goes lets nobody wait.
    fn wake_owner(&self) {
        let _ = self.jobs.try_send(Job::Wake);
    }

    fn send_job(
        &self,
        job: Job,
        answered: oneshot::Receiver<CallResult>,
    ) -> PendingCall<CallOutcome> {
        let jobs = self.jobs.clone();
        PendingCall::Running(Box::pin(async move {
            let called = match jobs.send(job).await {
                Ok(()) => outcome_from_reply(answered.await),
                Err(_) => CallOutcome::failed(GuestFault::SharedInstanceFailed),
            };
            (called, None)
        }))
    }
}

/// Has the owner look if a panic ends a session in the instance: it is broken then, and its connections are to end.
struct WakeOwnerOnPanic<'a>(&'a SharedInstance);

impl Drop for WakeOwnerOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.wake_owner();
        }
    }
}

/// What came of an event; without an answer the instance is gone.
fn outcome_from_reply(answer: Result<CallResult, RecvError>) -> CallOutcome {
    let answer = answer.unwrap_or(Err(GuestFault::SharedInstanceFailed));
    CallOutcome { result: answer, effects: Vec::new(), unapplied_call: None }
}
