//! The instance of a session that rests.

use narrowboat_sync::LoanSlot;

use crate::member_turn::MemberTurn;
use narrowboat_core::fault::GuestFault;
use narrowboat_runtime::{Call, Instance};

/// The slot in which a session leaves its own instance while it waits for an event, so that others may call its consumer.
pub(crate) type RestingInstance = LoanSlot<LentInstance>;

/// An instance that a session has lent.
pub(crate) struct LentInstance {
    pub(crate) instance: Box<Instance>,
    /// The call of which it died.
    pub(crate) failed: Option<Box<FailedTurn>>,
}

/// A call of which an instance died, in a turn that others took. The session recovers from it.
pub(crate) struct FailedTurn {
    pub(crate) call: Call,
    pub(crate) fault: GuestFault,
    /// Keeps the mailbox until the session has recovered, so that the call stays the next one.
    pub(crate) turn: MemberTurn,
}
