//! Where a shared instance is.
//!
//! A shared instance is at one of three places: in its slot, where sessions call it on their own tasks; with its owner
//! task; or on a guest thread, to which the owner has lent it. The slot holds an [`InstanceState`] behind a lock, which
//! a session holds during its call.
//!
//! ```text
//!        +------------------------+
//!        |      guest thread      |   a slow call, a snapshot, a migration
//!        +------------------------+
//!          ^ lend             | return
//!          |                  v
//!        +------------------------+  park   +-------------------+  lock    +------------------+
//!   +--->| WithOwner              |-------->| Parked, unlocked  |--------->| Parked, locked:  |
//!   |    | also: not made yet, or |<--------| any session may   |<---------| a session calls  |
//!   |    | failed and dropped     |  take_  | call the instance |  unlock  | the guest        |
//!   |    +------------------------+  parked +-------------------+          +------------------+
//!   |                                                                        |            |
//!   |                                                   it died of a call,   |            | the session
//!   |                                                   or an abandoned      |            | panicked
//!   |                                                   consumer is left     v            v
//!   |                        take_parked                            +-------------+  +----------+
//!   +---------------------------------------------------------------| OwnerNeeded |  | poisoned |
//!   |                                                               +-------------+  +----------+
//!   |                        take_parked: the owner fails all connections                 |
//!   +-------------------------------------------------------------------------------------+
//! ```
//!
//! "Locked" and "poisoned" are states of the slot's lock; the other boxes are variants of [`InstanceState`].
//!
//! Calls wait in three queues:
//!
//! - The **slot's queue of calls** takes the call of a session that finds the lock held. The session that holds the lock
//!   makes the queued calls after its own one (`drain_calls`), and the owner makes those that are left.
//! - The **slot's queue of turns** has the members whose sessions rest, and whose mailboxes have messages. A session that
//!   was in the slot reads these mailboxes at the end of its wake-up (`drain`), so that the frames of several
//!   messages go out in one write. The owner does so for the members that are left.
//! - The **job queue** of the owner takes a call that finds the instance `WithOwner`, `OwnerNeeded`, poisoned or slow,
//!   or the slot's queue full. It also carries commands of rollouts.
//!
//! No call is left in the slot's queues: a session queues its call and then tries the lock, and a session that has
//! unlocked then looks at the queue. A sequentially consistent fence stands between the two steps on both sides, so at
//! least one of the two sees the other. `narrowboat_sync::HandoffSlot` has the fence, and its loom models check it.

use tokio::sync::oneshot;

use super::drain_budget::DrainBudget;
use super::member_turn::MemberTurn;
use super::queued_call::{QueuedCall, ReplyTo};
use crate::call_outcome::{CallOutcome, CallResult, call_instance, created_consumer};
use crate::effect_applier::EffectApplier;
use narrowboat_core::close_frame::CloseFrame;
use narrowboat_core::fault::GuestFault;
use narrowboat_runtime::{Call, ConnectionId, Instance};

/// Messages of one member that are handled in a row, before those of the next one.
const MAX_CALLS_IN_A_TURN: usize = 16;

/// The content of the slot of a shared instance. The module's documentation has a diagram.
#[derive(Default)]
pub(super) enum InstanceState {
    /// The instance is not here: its owner has it, or there is none.
    #[default]
    WithOwner,
    /// Sessions may call the instance. It stays here during a call, so that the owner finds it after a panic.
    Parked(Box<Instance>),
    /// The instance is here, and no session may call it before its owner has acted.
    OwnerNeeded(Box<Instance>, OwnerAction),
}

/// The action of the owner before the next call.
pub(super) enum OwnerAction {
    /// Recover from the death of the instance.
    Recover(FatalCall),
    /// Call `disconnect` of a consumer whose client left during its handshake, since calls have become long.
    Disconnect(ConnectionId),
}

/// A call of which the instance died, and the receiver of its result.
pub(super) struct FatalCall {
    pub(super) call: Call,
    pub(super) fault: GuestFault,
    pub(super) reply: ReplyTo,
}

impl InstanceState {
    /// Whether a session may call the instance now: it is parked, alive, and its calls are short.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self, Self::Parked(instance) if is_callable_here(instance))
    }

    /// The instance, if a session may call it now.
    pub(super) fn ready_instance(&mut self) -> Option<&mut Instance> {
        match self {
            Self::Parked(instance) if is_callable_here(instance) => Some(instance),
            _ => None,
        }
    }

    /// Leaves a parked instance to its owner.
    pub(super) fn require_owner(&mut self, action: OwnerAction) {
        *self = match std::mem::take(self) {
            Self::Parked(instance) => Self::OwnerNeeded(instance, action),
            state @ (Self::WithOwner | Self::OwnerNeeded(..)) => state,
        };
    }

    /// The instance and the action that its owner has to take.
    pub(super) fn into_parts(self) -> (Option<Box<Instance>>, Option<OwnerAction>) {
        match self {
            Self::WithOwner => (None, None),
            Self::Parked(instance) => (Some(instance), None),
            Self::OwnerNeeded(instance, action) => (Some(instance), Some(action)),
        }
    }

    /// Makes the call of another session and replies to that session.
    pub(super) fn run_queued_call(&mut self, queued: QueuedCall, applier: &EffectApplier<'_>) {
        if queued.is_abandoned() {
            return;
        }
        let QueuedCall { call, reply, span } = queued;
        let run = || self.run_call(call, reply, ReplyTo::Session, applier);
        let Some((result, reply)) = span.in_scope(run) else { return };
        if let Err(unreceived) = reply.send(result)
            && let Some(id) = created_consumer(&unreceived)
        {
            self.disconnect_abandoned(id, applier);
        }
    }

    /// Calls the consumer of a member for the messages in its mailbox. Returns the turn if there may be more.
    pub(super) fn run_turn(
        &mut self,
        mut turn: MemberTurn,
        applier: &EffectApplier<'_>,
        budget: &DrainBudget,
    ) -> Option<MemberTurn> {
        for _ in 0..MAX_CALLS_IN_A_TURN {
            if !self.is_ready() || budget.is_exhausted() {
                break;
            }
            let call = turn.next_call()?;
            budget.count_call();
            let span = turn.call_span(&call);
            let result;
            (result, turn) =
                span.in_scope(|| self.run_call(call, turn, ReplyTo::Member, applier))?;
            turn.handle_result(result);
        }
        Some(turn)
    }

    /// Calls `disconnect` of a consumer whose client left during its handshake. No session waits for the reply.
    fn disconnect_abandoned(&mut self, id: ConnectionId, applier: &EffectApplier<'_>) {
        if !self.is_ready() {
            self.require_owner(OwnerAction::Disconnect(id));
            return;
        }
        let (reply, _) = oneshot::channel();
        let call = Call::Disconnect(id, CloseFrame::abnormal());
        let _ = self.run_call(call, reply, ReplyTo::Session, applier);
    }

    /// Makes a call, and returns its result with its `receiver`; or leaves both to the owner if the instance dies of it.
    fn run_call<R>(
        &mut self,
        call: Call,
        receiver: R,
        reply_to: fn(R) -> ReplyTo,
        applier: &EffectApplier<'_>,
    ) -> Option<(CallResult, R)> {
        // Whether calls are short has been checked before this. It changes at any time, by calls in other instances.
        let instance = match self {
            Self::Parked(instance) if !instance.is_dead() => instance,
            _ => return Some((Err(GuestFault::InstanceLost), receiver)),
        };
        let outcome = call_and_apply(instance, call, applier);
        match (outcome.result, outcome.unapplied_call) {
            (Err(fault), Some(call)) => {
                let reply = reply_to(receiver);
                self.require_owner(OwnerAction::Recover(FatalCall { call, fault, reply }));
                None
            }
            (result, _) => Some((result, receiver)),
        }
    }
}

/// Whether the instance is alive and its calls are short enough for a session's task.
fn is_callable_here(instance: &Instance) -> bool {
    !instance.is_dead() && !instance.version().needs_guest_thread()
}

/// Calls the guest and applies the effects.
pub(super) fn call_and_apply(
    instance: &mut Instance,
    call: Call,
    applier: &EffectApplier<'_>,
) -> CallOutcome {
    let mut outcome = call_instance(instance, call);
    applier.apply(std::mem::take(&mut outcome.effects));
    outcome
}
