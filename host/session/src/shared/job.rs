//! The jobs of the task that owns a shared instance.

use super::queued_call::QueuedCall;
use crate::member_turn::MemberTurn;
use crate::owner_command::OwnerCommand;

/// Jobs that wait for the task of one instance. A session whose job finds the queue full waits for room.
pub(super) const JOB_QUEUE_LIMIT: usize = 256;

/// A job of the task that owns a shared instance.
pub(crate) enum Job {
    /// Calls the guest.
    Call(QueuedCall),
    /// Calls the consumer of a member whose session rests, for the messages in its mailbox.
    Turn(MemberTurn),
    /// Takes the instance back, looks at its state, and makes the calls that are queued at its slot.
    Wake,
    /// Runs a command of a rollout.
    Command(OwnerCommand),
}
