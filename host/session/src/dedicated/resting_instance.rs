//! The instance of a session that rests.

use std::task::{Context, Poll};

use narrowboat_sync::{Loan, LoanSlot, TakenBack};

use crate::member_turn::MemberTurn;
use narrowboat_core::fault::GuestFault;
use narrowboat_runtime::{Call, Instance};

/// Where a session leaves its own instance while it waits for an event, so that others may call its consumer.
#[derive(Default)]
pub(super) struct RestingInstance(LoanSlot<LentInstance>);

/// An instance that a session has lent.
pub(super) struct LentInstance {
    pub(super) instance: Box<Instance>,
    /// The call of which it died.
    failed: Option<Box<FailedTurn>>,
}

/// A call of which an instance died, in a turn that others took. The session recovers from it.
pub(crate) struct FailedTurn {
    pub(crate) call: Call,
    pub(crate) fault: GuestFault,
    /// Keeps the mailbox until the session has recovered, so that the call stays the next one.
    pub(crate) turn: MemberTurn,
}

/// What a session gets back.
pub(crate) enum ReturnedInstance {
    /// Nothing: it has not lent its instance.
    NotLent,
    Alive(Box<Instance>),
    Failed(Box<Instance>, Box<FailedTurn>),
    /// A panic has dropped the instance.
    Lost,
}

impl RestingInstance {
    /// Lends the instance.
    pub(super) fn lend(&self, instance: Box<Instance>) {
        self.0.lend(LentInstance { instance, failed: None });
    }

    /// Takes the instance back. Pending while another task calls it.
    pub(super) fn poll_take_back(&self, cx: &Context<'_>) -> Poll<ReturnedInstance> {
        self.0.poll_take_back(cx).map(|taken| match taken {
            TakenBack::NotLent => ReturnedInstance::NotLent,
            TakenBack::Lost => ReturnedInstance::Lost,
            TakenBack::Value(LentInstance { instance, failed: None }) => {
                ReturnedInstance::Alive(instance)
            }
            TakenBack::Value(LentInstance { instance, failed: Some(failed) }) => {
                ReturnedInstance::Failed(instance, failed)
            }
        })
    }

    /// Takes the instance of a session that has been dropped. `None` if it is not lent. An instance that another task
    /// calls now is dropped by that task.
    pub(super) fn close(&self) -> Option<Box<Instance>> {
        self.0.close().map(|lent| lent.instance)
    }

    /// Whether others may call the instance now.
    pub(super) fn is_available(&self) -> bool {
        self.0.is_available()
    }

    /// Borrows the instance, if the session rests and no other task has it.
    pub(super) fn try_borrow(&self) -> Option<Loan<'_, LentInstance>> {
        self.0.try_borrow()
    }
}

impl LentInstance {
    /// Records the call of which the instance died.
    pub(super) fn fail(&mut self, failed: Box<FailedTurn>) {
        self.failed = Some(failed);
    }
}
