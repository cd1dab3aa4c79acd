//! The slot of a shared instance, where its owner parks it between jobs.
//!
//! A session that finds the instance parked calls it on its own task, which saves two task switches per event. A
//! session that finds another one in the slot queues its call there. The turns of members whose sessions rest wait there
//! too. See `instance_state` for a diagram.

use std::sync::atomic::{AtomicBool, Ordering};

use narrowboat_sync::{HandoffEntry, HandoffQueue, HandoffSlot, NextDrainer, ReclaimedContent};
use tokio::sync::oneshot;
use tracing::{Level, span_enabled};

use super::instance_state::{FatalCall, InstanceState, OwnerAction};
use super::queued_call::{QueuedCall, ReplyTo};
use crate::call_outcome::{CallOutcome, CallReply};
use crate::drain_budget::DrainBudget;
use crate::effect_applier::{EffectApplier, call_and_apply};
use crate::member_turn::MemberTurn;
use narrowboat_core::deferred_wake;
use narrowboat_core::log_target::TRACE;
use narrowboat_runtime::{Call, Instance};

/// Calls that wait in the slot. Further ones go to the owner, where sessions wait for room in its queue.
const MAX_QUEUED_CALLS: usize = 256;

/// Calls of other sessions that a session makes before it goes on with its own work.
const MAX_DRAINED_CALLS: usize = 64;

/// Members that a session takes turns for, before it goes on with its own work.
const MAX_DRAINED_TURNS: usize = 64;

/// Turns that are taken together, between two looks at the queued calls of other sessions.
const TURNS_IN_A_GROUP: usize = 16;

/// The slot of a shared instance, and the calls that wait for the session in it.
#[derive(Default)]
pub(super) struct InstanceSlot {
    slot: HandoffSlot<InstanceState>,
    calls: HandoffQueue<QueuedCall>,
    turns: HandoffQueue<MemberTurn>,
    /// Whether the owner has been notified of queued calls, and has not looked at the slot since.
    is_owner_notified: AtomicBool,
}

/// The result of an attempt to call the instance in its slot.
pub(super) enum EnterOutcome {
    /// The call has returned, and its effects are applied.
    Completed(CallOutcome),
    /// The instance died of the call. The owner has to be woken, and sends the reply.
    Died(oneshot::Receiver<CallReply>),
    /// Another session is in the slot. The call waits in the slot's queue.
    Queued(oneshot::Receiver<CallReply>),
    /// The call has to go to the owner.
    Unavailable(Call),
}

impl InstanceSlot {
    /// Calls the instance, if it is parked and its calls are short. Effects are applied before the next call begins.
    /// After `Completed` and `Queued` the session has to call [`InstanceSlot::drain_calls`], and at the end of its wake-up
    /// [`InstanceSlot::drain`].
    pub(super) fn try_call(&self, call: Call, applier: &EffectApplier<'_>) -> EnterOutcome {
        // A task that this call wakes may want to enter the slot, and can only do so after the call.
        let _deferred = deferred_wake::defer_wakes();
        let mut state = match self.slot.try_enter() {
            HandoffEntry::Entered(state) => state,
            HandoffEntry::Busy => return self.enqueue(call),
            HandoffEntry::Poisoned => return EnterOutcome::Unavailable(call),
        };
        let Some(instance) = state.ready_instance() else { return EnterOutcome::Unavailable(call) };
        match call_and_apply(instance, call, applier).into_reply() {
            Ok(reply) => EnterOutcome::Completed(CallOutcome::from_reply(Ok(reply))),
            Err((call, fault)) => {
                let (reply, receiver) = oneshot::channel();
                let reply = ReplyTo::Session(reply);
                state.require_owner(OwnerAction::Recover(FatalCall { call, fault, reply }));
                EnterOutcome::Died(receiver)
            }
        }
    }

    /// Makes the calls that were queued while this session was in the slot. Returns who has to make further ones.
    pub(super) fn drain_calls(&self, applier: &EffectApplier<'_>) -> NextDrainer {
        self.slot.serve(
            &self.calls,
            MAX_DRAINED_CALLS,
            deferred_wake::defer_wakes,
            InstanceState::is_ready,
            |state, queued| state.run_queued_call(queued, applier),
        )
    }

    /// Takes the turns of members whose sessions rest, and makes the calls that other sessions queue meanwhile. Returns who
    /// has to go on. Nothing waits if that is nobody.
    pub(super) fn drain(&self, applier: &EffectApplier<'_>) -> NextDrainer {
        let budget = DrainBudget::new();
        for _ in 0..MAX_DRAINED_TURNS / TURNS_IN_A_GROUP {
            match self.drain_both(applier, &budget) {
                NextDrainer::Holder => return NextDrainer::Holder,
                // A call may have queued turns.
                NextDrainer::Nobody if !self.has_waiting() => return NextDrainer::Nobody,
                NextDrainer::Nobody | NextDrainer::Owner => {}
            }
            if !self.is_ready() || budget.is_exhausted() {
                break;
            }
        }
        NextDrainer::Owner
    }

    /// Takes some turns, and makes the queued calls. Ends as soon as another thread is in the slot: if this one entered
    /// again, it would have to look at both queues again.
    fn drain_both(&self, applier: &EffectApplier<'_>, budget: &DrainBudget) -> NextDrainer {
        let turns = self.drain_group_of_turns(applier, budget);
        if turns == NextDrainer::Holder {
            return NextDrainer::Holder;
        }
        match self.drain_calls(applier) {
            NextDrainer::Nobody => turns,
            calls => calls,
        }
    }

    /// Whether calls or turns wait. Each thread that has been in the slot looks at both.
    pub(super) fn has_waiting(&self) -> bool {
        self.slot.has_waiting(&self.turns) || !self.calls.is_empty()
    }

    fn drain_group_of_turns(
        &self,
        applier: &EffectApplier<'_>,
        budget: &DrainBudget,
    ) -> NextDrainer {
        self.slot.serve(
            &self.turns,
            1,
            deferred_wake::defer_wakes,
            |state| state.is_ready() && !budget.is_exhausted(),
            |state, first| {
                let turns = std::iter::once(first).chain(self.pop_turns_of_group());
                let turns = state.run_turns(turns.collect(), applier, budget);
                turns.into_iter().for_each(|turn| self.requeue(turn));
            },
        )
    }

    /// The turns that are taken together with another one: none with traces, which have a span for each event.
    fn pop_turns_of_group(&self) -> impl Iterator<Item = MemberTurn> {
        let max = match span_enabled!(target: TRACE, Level::INFO) {
            true => 0,
            false => TURNS_IN_A_GROUP - 1,
        };
        std::iter::from_fn(|| self.turns.pop()).take(max)
    }

    /// Puts a turn behind those of the other members. Nobody has to be notified: the caller drains the queue.
    pub(super) fn requeue(&self, turn: MemberTurn) {
        if let Some(permit) = self.turns.try_reserve(usize::MAX) {
            permit.send(turn);
        }
    }

    /// Queues the turn of a member. Returns who has to take it, or `None` if the slot is closed.
    pub(super) fn queue_turn(&self, turn: impl FnOnce() -> MemberTurn) -> Option<NextDrainer> {
        self.turns.try_reserve(usize::MAX)?.send(turn());
        let drainer = self.slot.serve(&self.turns, 0, || (), |_| true, |_, _| {});
        // A session may have found this thread in the slot, and have left its call to it.
        let leaves_calls = drainer == NextDrainer::Nobody && self.slot.has_waiting(&self.calls);
        Some(if leaves_calls { NextDrainer::Owner } else { drainer })
    }

    /// Records that the owner has to look at the slot. Returns whether it has to be woken for that.
    pub(super) fn notify_owner(&self) -> bool {
        !self.is_owner_notified.swap(true, Ordering::SeqCst)
    }

    /// Records that the owner looks at the slot now: it has to be notified of later calls.
    pub(super) fn begin_owner_look(&self) {
        self.is_owner_notified.swap(false, Ordering::SeqCst);
    }

    /// Whether sessions may call the instance in the slot.
    pub(super) fn is_ready(&self) -> bool {
        match self.slot.try_enter() {
            HandoffEntry::Entered(state) => state.is_ready(),
            HandoffEntry::Busy => true,
            HandoffEntry::Poisoned => false,
        }
    }

    /// Parks the instance, if the owner has one.
    pub(super) fn park(&self, instance: Option<Box<Instance>>) {
        self.slot.park(instance.map_or(InstanceState::WithOwner, InstanceState::Parked));
    }

    /// Takes the state out. Returns `None` while a session is in the slot.
    pub(super) fn take_parked(&self) -> Option<ReclaimedContent<InstanceState>> {
        self.slot.try_reclaim()
    }

    /// Takes the call that has waited longest.
    pub(super) fn pop_call(&self) -> Option<QueuedCall> {
        self.calls.pop()
    }

    /// Takes the turn that has waited longest.
    pub(super) fn pop_turn(&self) -> Option<MemberTurn> {
        self.turns.pop()
    }

    /// Drops the queued calls and turns, and accepts no further ones: the owner has ended.
    pub(super) fn close(&self) {
        self.calls.close();
        self.turns.close();
    }

    fn enqueue(&self, call: Call) -> EnterOutcome {
        let Some(permit) = self.calls.try_reserve(MAX_QUEUED_CALLS) else {
            return EnterOutcome::Unavailable(call);
        };
        let (queued, receiver) = QueuedCall::new(call);
        permit.send(queued);
        EnterOutcome::Queued(receiver)
    }
}
