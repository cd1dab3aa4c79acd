//! The slot of a shared instance, where its owner parks it between jobs.
//!
//! A session that finds the instance parked calls it on its own task, which saves two task switches per event. A
//! session that finds another one in the slot queues its call there. See `instance_state` for a diagram.

use narrowboat_sync::{HandoffEntry, HandoffSlot, NextDrainer, ReclaimedContent};
use tokio::sync::oneshot;

use super::instance_state::{FatalCall, InstanceState, OwnerAction, call_and_apply};
use super::queued_call::QueuedCall;
use crate::call_outcome::{CallOutcome, CallResult};
use crate::effect_applier::EffectApplier;
use narrowboat_core::deferred_wake;
use narrowboat_runtime::{Call, Instance};

/// Calls that wait in the slot. Further ones go to the owner, where sessions wait for room in its queue.
const MAX_QUEUED_CALLS: usize = 256;

/// Calls of other sessions that a session makes before it goes on with its own work.
const MAX_DRAINED_CALLS: usize = 64;

/// The slot of a shared instance, and the calls that wait for the session in it.
#[derive(Default)]
pub(super) struct InstanceSlot(HandoffSlot<InstanceState, QueuedCall>);

/// The result of an attempt to call the instance in its slot.
pub(super) enum EnterOutcome {
    /// The call has returned, and its effects are applied.
    Completed(CallOutcome),
    /// The instance died of the call. The owner has to be woken, and sends the reply.
    Died(oneshot::Receiver<CallResult>),
    /// Another session is in the slot. The call waits in the slot's queue.
    Queued(oneshot::Receiver<CallResult>),
    /// The call has to go to the owner.
    Unavailable(Call),
}

impl InstanceSlot {
    /// Calls the instance, if it is parked and its calls are short. Effects are applied before the next call begins.
    /// After `Completed` and `Queued` the session has to call [`InstanceSlot::drain_waiters`].
    pub(super) fn try_call(&self, call: Call, applier: &EffectApplier<'_>) -> EnterOutcome {
        // A task that this call wakes may want to enter the slot, and can only do so after the call.
        let _deferred = deferred_wake::defer_wakes();
        let mut state = match self.0.try_enter() {
            HandoffEntry::Entered(state) => state,
            HandoffEntry::Busy => return self.enqueue(call),
            HandoffEntry::Poisoned => return EnterOutcome::Unavailable(call),
        };
        let Some(instance) = state.ready_instance() else { return EnterOutcome::Unavailable(call) };
        let outcome = call_and_apply(instance, call, applier);
        match (outcome.result, outcome.unapplied_call) {
            (Err(fault), Some(call)) => {
                let (reply, receiver) = oneshot::channel();
                state.require_owner(OwnerAction::Recover(FatalCall { call, fault, reply }));
                EnterOutcome::Died(receiver)
            }
            (result, unapplied_call) => {
                EnterOutcome::Completed(CallOutcome { result, effects: Vec::new(), unapplied_call })
            }
        }
    }

    /// Makes the calls that were queued while this session was in the slot. Returns who has to make further ones.
    pub(super) fn drain_waiters(&self, applier: &EffectApplier<'_>) -> NextDrainer {
        self.0.serve(
            MAX_DRAINED_CALLS,
            deferred_wake::defer_wakes,
            InstanceState::is_ready,
            |state, queued| state.run_queued_call(queued, applier),
        )
    }

    /// Parks the instance, if the owner has one.
    pub(super) fn park(&self, instance: Option<Box<Instance>>) {
        self.0.park(instance.map_or(InstanceState::WithOwner, InstanceState::Parked));
    }

    /// Takes the state out. Returns `None` while a session is in the slot.
    pub(super) fn take_parked(&self) -> Option<ReclaimedContent<InstanceState>> {
        self.0.try_reclaim()
    }

    /// Takes the call that has waited longest.
    pub(super) fn pop_queued(&self) -> Option<QueuedCall> {
        self.0.pop_event()
    }

    /// Drops the queued calls, and accepts no further ones: the owner has ended.
    pub(super) fn close(&self) {
        self.0.close();
    }

    fn enqueue(&self, call: Call) -> EnterOutcome {
        let Some(permit) = self.0.try_reserve(MAX_QUEUED_CALLS) else {
            return EnterOutcome::Unavailable(call);
        };
        let (queued, receiver) = QueuedCall::new(call);
        permit.send(queued);
        EnterOutcome::Queued(receiver)
    }
}
