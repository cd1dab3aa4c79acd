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
use tracing::Span;

use super::queued_call::{QueuedCall, ReplyTo};
use crate::call_outcome::{CallReply, created_consumer};
use crate::drain_budget::DrainBudget;
use crate::effect_applier::{EffectApplier, call_and_apply};
use crate::member_turn::{MAX_CALLS_IN_A_TURN, MemberTurn};
use narrowboat_core::close_frame::CloseFrame;
use narrowboat_core::fault::GuestFault;
use narrowboat_runtime::{BatchEnd, Call, ConnectionId, Instance};

/// The payload of the messages of one round after which no further ones are taken, in bytes.
const MAX_ROUND_BYTES: usize = 64 * 1024;

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
        let run = || self.run_call(call, reply, applier);
        let Some((reply, sender)) = span.in_scope(run) else { return };
        if let Err(unreceived) = sender.send(reply)
            && let Some(id) = created_consumer(&unreceived.result)
        {
            self.disconnect_abandoned(id, applier);
        }
    }

    /// Calls the consumers of members for the messages in their mailboxes: in each round for one message of each member.
    /// Returns the turns of the members that may have more.
    pub(super) fn run_turns(
        &mut self,
        mut turns: Vec<MemberTurn>,
        applier: &EffectApplier<'_>,
        budget: &DrainBudget,
    ) -> Vec<MemberTurn> {
        for _ in 0..MAX_CALLS_IN_A_TURN {
            if turns.is_empty() || !self.is_ready() || budget.is_exhausted() {
                break;
            }
            turns = self.run_round_of_turns(turns, applier, budget);
        }
        turns
    }

    fn run_round_of_turns(
        &mut self,
        turns: Vec<MemberTurn>,
        applier: &EffectApplier<'_>,
        budget: &DrainBudget,
    ) -> Vec<MemberTurn> {
        let mut waiting = turns.into_iter();
        let (mut turns, mut calls) = take_calls(&mut waiting);
        let Self::Parked(instance) = self else { return waiting.collect() };
        budget.count_calls(calls.len());
        let version = instance.version().digest();
        let span = turns.first().map_or_else(Span::none, |turn| turn.call_span(&calls[0]));
        let BatchEnd { ended_count, result } = span.in_scope(|| {
            let end = instance.call_many(&calls);
            applier.apply(instance.take_effects());
            end
        });
        let mut not_ended = calls.split_off(ended_count).into_iter();
        if let Err(fault) = &result
            && instance.is_dead()
            && let Some(call) = not_ended.next()
        {
            let reply = ReplyTo::Member(turns.remove(ended_count));
            let fatal = FatalCall { call, fault: fault.clone(), reply };
            self.require_owner(OwnerAction::Recover(fatal));
        } else if let Some(last) = ended_count.checked_sub(1) {
            turns[last].handle_result(result, Some(version));
        }
        turns[ended_count..].iter_mut().zip(not_ended).for_each(|(turn, call)| turn.put_back(call));
        waiting.chain(turns).collect()
    }

    /// Calls `disconnect` of a consumer whose client left during its handshake. No session waits for the reply.
    fn disconnect_abandoned(&mut self, id: ConnectionId, applier: &EffectApplier<'_>) {
        if !self.is_ready() {
            self.require_owner(OwnerAction::Disconnect(id));
            return;
        }
        let (reply, _) = oneshot::channel();
        let call = Call::Disconnect(id, CloseFrame::abnormal());
        let _ = self.run_call(call, reply, applier);
    }

    /// Makes a call, and returns its reply with its `sender`; or leaves both to the owner if the instance dies of it.
    fn run_call(
        &mut self,
        call: Call,
        sender: oneshot::Sender<CallReply>,
        applier: &EffectApplier<'_>,
    ) -> Option<(CallReply, oneshot::Sender<CallReply>)> {
        // Whether calls are short has been checked before this. It changes at any time, by calls in other instances.
        let instance = match self {
            Self::Parked(instance) if !instance.is_dead() => instance,
            _ => return Some((Err(GuestFault::InstanceLost).into(), sender)),
        };
        match call_and_apply(instance, call, applier).into_reply() {
            Ok(reply) => Some((reply, sender)),
            Err((call, fault)) => {
                let reply = ReplyTo::Session(sender);
                self.require_owner(OwnerAction::Recover(FatalCall { call, fault, reply }));
                None
            }
        }
    }
}

/// Takes a call from each turn, up to a limit of their payloads. Drops turns that are over.
fn take_calls(waiting: &mut impl Iterator<Item = MemberTurn>) -> (Vec<MemberTurn>, Vec<Call>) {
    let (mut turns, mut calls, mut bytes) = (Vec::new(), Vec::new(), 0);
    while bytes < MAX_ROUND_BYTES
        && let Some(mut turn) = waiting.next()
    {
        if let Some(call) = turn.next_call() {
            bytes += call.payload_len();
            turns.push(turn);
            calls.push(call);
        }
    }
    (turns, calls)
}

/// Whether the instance is alive and its calls are short enough for a session's task.
fn is_callable_here(instance: &Instance) -> bool {
    !instance.is_dead() && !instance.version().needs_guest_thread()
}
