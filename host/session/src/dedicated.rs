//! Consumers with an instance of their own whose sessions rest: other tasks call them.

mod deferred_turn;
mod deferred_turns;
mod resting_instance;
mod resting_member;

pub(crate) use deferred_turns::{DeferredTurns, take_deferred_turns};
pub(crate) use resting_instance::{FailedTurn, LentInstance, RestingInstance};
pub(crate) use resting_member::RestingMember;
