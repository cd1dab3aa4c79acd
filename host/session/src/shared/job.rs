//! The jobs of the task that owns a shared instance.

use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::queued_call::QueuedCall;
use crate::member_turn::MemberTurn;
use crate::owner_command::OwnerCommand;
use crate::rooms::EndRoom;
use narrowboat_core::alarm_time::AlarmTime;
use narrowboat_core::fault::GuestFault;

/// Jobs that wait for the task of one instance. A session whose job finds the queue full waits for room.
pub(crate) const JOB_QUEUE_LIMIT: usize = 256;

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
    /// Ends a room, because an operator wants that.
    EndRoom(EndRoom),
    /// Wakes a room for its alarm.
    Alarm(AlarmJob),
}

/// A request to wake a room for its alarm.
pub(crate) struct AlarmJob {
    /// The time at which the store lists the alarm.
    pub(crate) time: AlarmTime,
    /// One of the rooms that wake for alarms at a time.
    pub(crate) permit: OwnedSemaphorePermit,
}

/// Answers the calls that wait for a room which cannot be opened, so that their handshakes do not try again at once.
pub(super) fn refuse_calls(mut queue: mpsc::Receiver<Job>, fault: &GuestFault) {
    queue.close();
    while let Ok(job) = queue.try_recv() {
        if let Job::Call(queued) = job {
            // The session may have ended.
            let _ = queued.reply.send(Err(fault.clone()).into());
        }
    }
}
