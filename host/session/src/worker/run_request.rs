//! A run that a schedule hands to the pool of its worker.

use tokio::sync::oneshot;

use narrowboat_core::message::Message;
use narrowboat_schedule::RunOutcome;

/// A run that a schedule hands to the pool of its worker. Dropping it tells the schedule that the run has not started.
pub(super) struct RunRequest {
    pub(super) message: Message,
    pub(super) outcome: oneshot::Sender<RunOutcome>,
}
