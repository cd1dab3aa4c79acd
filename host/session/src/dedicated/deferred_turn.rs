//! The turn of a consumer with an instance of its own.

use std::sync::Arc;

use narrowboat_sync::Loan;

use super::resting_instance::{FailedTurn, LentInstance, RestingInstance};
use crate::drain_budget::DrainBudget;
use crate::effect_applier::call_and_apply;
use crate::instance_registry::InstanceRegistry;
use crate::member_turn::{MAX_CALLS_IN_A_TURN, MemberTurn};
use crate::skipped_disconnects::log_skipped_disconnects;

/// The turn of a consumer whose session has lent its instance. Dropping it wakes the session if a message waits.
pub(super) struct DeferredTurn {
    pub(super) registry: Arc<InstanceRegistry>,
    pub(super) instance: Arc<RestingInstance>,
    pub(super) turn: MemberTurn,
}

impl DeferredTurn {
    /// Calls the consumer for the messages in its mailbox, if the session still rests. Otherwise, and for those that are
    /// left, the session is woken.
    pub(super) fn take(self, budget: &DrainBudget) {
        let Self { registry, instance, turn } = self;
        let Some(mut lent) = instance.try_borrow() else { return };
        match call_for_messages(&registry, &mut lent, turn, budget) {
            Ok(turn) => {
                let left = lent.give_back();
                drop_left(&registry, left);
                // After the instance is back: this may wake the session.
                drop(turn);
            }
            Err(failed) => {
                let control = failed.turn.control();
                lent.failed = Some(failed);
                let left = lent.give_back_held();
                control.outbound.wake_task();
                drop_left(&registry, left);
            }
        }
    }
}

/// Makes the calls. Returns the call of which the instance died, if it did.
fn call_for_messages(
    registry: &InstanceRegistry,
    lent: &mut Loan<'_, LentInstance>,
    mut turn: MemberTurn,
    budget: &DrainBudget,
) -> Result<MemberTurn, Box<FailedTurn>> {
    let applier = registry.effect_applier();
    for _ in 0..MAX_CALLS_IN_A_TURN {
        let version = lent.instance.version();
        if budget.is_exhausted() || !version.may_be_called_by_others() {
            break;
        }
        let version = version.digest();
        let Some(call) = turn.next_call() else { break };
        budget.count_calls(1);
        let span = turn.call_span(&call);
        let outcome = span.in_scope(|| call_and_apply(&mut lent.instance, call, &applier));
        match outcome.into_reply() {
            Ok(reply) => turn.handle_result(reply.result, Some(version)),
            Err((call, fault)) => {
                return Err(Box::new(FailedTurn { call, fault, turn }));
            }
        }
    }
    Ok(turn)
}

/// Drops an instance whose session has been dropped during a call.
fn drop_left(registry: &InstanceRegistry, left: Option<LentInstance>) {
    if let Some(LentInstance { instance, .. }) = left {
        let version = instance.version().digest();
        log_skipped_disconnects(&registry.plugin.label, Some(version), 1);
    }
}
