//! Where the owner of a shared instance leaves it while nothing waits for it. A session that finds it there enters
//! it on its own task, which spares two task switches an event; one that finds another in it leaves its event for
//! that one to take up.

use narrowboat_sync::{HandoffEntry, HandoffSlot, NextDrainer, ReclaimedContent};
use tokio::sync::oneshot;
use tracing::Span;

use super::CallResult;
use crate::effect_applier::EffectApplier;
use crate::instance_binding::{CallOutcome, call_instance};
use narrowboat_core::close_frame::CloseFrame;
use narrowboat_core::deferred_wake;
use narrowboat_core::fault::GuestFault;
use narrowboat_runtime::{Call, ConnectionId, GuestReply, Instance};

/// Events that wait for whoever is in the instance; further ones go to its owner, where sessions wait to queue them.
const MAX_QUEUED_CALLS: usize = 256;

/// Events of others that a session takes up before it goes on with its own business.
const MAX_DRAINED_CALLS: usize = 64;

/// An instance, or nothing while its owner has it, and the events that wait for it.
#[derive(Default)]
pub(super) struct InstanceSlot(HandoffSlot<ParkedInstance, QueuedCall>);

/// What the owner finds when it comes back. Whoever is in the instance leaves it where it is, so that it is there even
/// after a panic.
#[derive(Default)]
pub(super) struct ParkedInstance {
    pub(super) instance: Option<Box<Instance>>,
    /// Nobody enters before its owner has seen to it.
    pub(super) owner_action: Option<OwnerAction>,
}

/// What is its owner's to do before there is another event.
pub(super) enum OwnerAction {
    /// The instance has died.
    FatalCall(FatalCall),
    /// A consumer whose peer left while its handshake was decided is to be told so, and calls have become long.
    Disconnect(ConnectionId),
}

/// An event of which the instance has died, and who waits for what comes of it.
pub(super) struct FatalCall {
    pub(super) call: Call,
    pub(super) fault: GuestFault,
    pub(super) reply: oneshot::Sender<CallResult>,
}

/// An event, where its answer goes, and what a trace shows it as.
pub(crate) struct QueuedCall {
    pub(super) call: Call,
    pub(super) reply: oneshot::Sender<CallResult>,
    pub(super) span: Span,
}

/// What came of an attempt to enter.
pub(super) enum EnterOutcome {
    /// The call is over, and its effects are applied.
    Completed(CallOutcome),
    /// It has died of the event, which its owner is to find out.
    Died(oneshot::Receiver<CallResult>),
    /// Somebody is in it: the event waits.
    Queued(oneshot::Receiver<CallResult>),
    /// Its owner has it, or has to see to it.
    Unavailable(Call),
}

impl InstanceSlot {
    /// Enters the instance, if it is here and its calls are short; [`Place::serve`] is to follow. What the guest
    /// asks for is done before the next event comes to it.
    pub(super) fn try_call(&self, call: Call, outlet: &EffectApplier<'_>) -> EnterOutcome {
        // Whoever this call wakes may want to enter too, and can when it is over.
        let _held = deferred_wake::defer_wakes();
        let mut left = match self.0.try_enter() {
            HandoffEntry::Entered(left) => left,
            HandoffEntry::Busy => return self.enqueue(call),
            // Its owner ends what somebody has panicked in.
            HandoffEntry::Poisoned => return EnterOutcome::Unavailable(call),
        };
        let Some(instance) = left.ready_instance() else { return EnterOutcome::Unavailable(call) };
        let called = call_and_apply(instance, call, outlet);
        match (called.result, called.unapplied_call) {
            (Err(fault), Some(call)) => {
                let (to, answered) = oneshot::channel();
                left.owner_action =
                    Some(OwnerAction::FatalCall(FatalCall { call, fault, reply: to }));
                EnterOutcome::Died(answered)
            }
            (answer, undone) => EnterOutcome::Completed(CallOutcome {
                result: answer,
                effects: Vec::new(),
                unapplied_call: undone,
            }),
        }
    }

    /// Takes up what came while this session was in the instance.
    pub(super) fn drain_waiters(&self, outlet: &EffectApplier<'_>) -> NextDrainer {
        self.0.serve(
            MAX_DRAINED_CALLS,
            deferred_wake::defer_wakes,
            ParkedInstance::is_ready,
            |left, waiting| {
                left.run_queued_call(waiting, outlet);
            },
        )
    }

    /// Leaves the instance here.
    pub(super) fn park(&self, instance: Option<Box<Instance>>) {
        self.0.park(ParkedInstance { instance, owner_action: None });
    }

    /// What was left, if nobody is in it.
    pub(super) fn take_parked(&self) -> Option<ReclaimedContent<ParkedInstance>> {
        self.0.try_reclaim()
    }

    /// The event that has waited for longest.
    pub(super) fn pop_queued(&self) -> Option<QueuedCall> {
        self.0.pop_event()
    }

    /// Nobody comes any more: who waits, or would, goes elsewhere.
    pub(super) fn close(&self) {
        self.0.close();
    }

    fn enqueue(&self, call: Call) -> EnterOutcome {
        let Some(vacancy) = self.0.try_reserve(MAX_QUEUED_CALLS) else {
            return EnterOutcome::Unavailable(call);
        };
        let (to, answered) = oneshot::channel();
        vacancy.send(QueuedCall { call, reply: to, span: Span::current() });
        EnterOutcome::Queued(answered)
    }
}

impl QueuedCall {
    /// Whether it is a handshake that has ended meanwhile: nothing happens of it.
    pub(super) fn is_abandoned(&self) -> bool {
        matches!(self.call, Call::Connect { .. }) && self.reply.is_closed()
    }
}

impl ParkedInstance {
    fn is_ready(&self) -> bool {
        let ready =
            |instance: &Instance| !instance.is_dead() && !instance.version().needs_guest_thread();
        self.owner_action.is_none() && self.instance.as_deref().is_some_and(ready)
    }

    /// The instance, if it is here, lives, its calls are short and its owner has nothing to do.
    fn ready_instance(&mut self) -> Option<&mut Instance> {
        if self.is_ready() { self.instance.as_deref_mut() } else { None }
    }

    /// Brings another session's event to the instance.
    fn run_queued_call(&mut self, waiting: QueuedCall, outlet: &EffectApplier<'_>) {
        if waiting.is_abandoned() {
            return;
        }
        let QueuedCall { call, reply: to, span } = waiting;
        let Some((answer, to)) = span.in_scope(|| self.run_call(call, to, outlet)) else { return };
        if let Err(Ok(GuestReply::Accepted(id, _))) = to.send(answer) {
            // The peer left while its handshake was decided: its consumer is told so. Nobody waits for that.
            if !self.is_ready() {
                self.owner_action = Some(OwnerAction::Disconnect(id));
                return;
            }
            let (to, _) = oneshot::channel();
            let _ = self.run_call(Call::Disconnect(id, CloseFrame::abnormal()), to, outlet);
        }
    }

    /// One call. One of which the instance dies is left to its owner to answer.
    fn run_call(
        &mut self,
        call: Call,
        to: oneshot::Sender<CallResult>,
        outlet: &EffectApplier<'_>,
    ) -> Option<(CallResult, oneshot::Sender<CallResult>)> {
        // Whether calls are short has been looked at: that changes at any time, by what other instances do.
        let Some(instance) = self.instance.as_deref_mut().filter(|it| !it.is_dead()) else {
            return Some((Err(GuestFault::SharedInstanceFailed), to));
        };
        let called = call_and_apply(instance, call, outlet);
        match (called.result, called.unapplied_call) {
            (Err(fault), Some(call)) => {
                self.owner_action =
                    Some(OwnerAction::FatalCall(FatalCall { call, fault, reply: to }));
                None
            }
            (answer, _) => Some((answer, to)),
        }
    }
}

fn call_and_apply(instance: &mut Instance, call: Call, outlet: &EffectApplier<'_>) -> CallOutcome {
    let mut called = call_instance(instance, call);
    outlet.apply(std::mem::take(&mut called.effects));
    called
}
