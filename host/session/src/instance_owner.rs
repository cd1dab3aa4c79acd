//! The owner of an instance, as the registry reaches it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use super::owner_command::OwnerCommand;
use super::shared::Job;
use narrowboat_websocket::connection::ConnectionHandle;

/// The address of the session or the task that owns an instance.
pub(super) enum InstanceOwner {
    /// A session. Its connection is signalled that a command is pending.
    Session(Arc<ConnectionHandle>, Mutex<Option<Box<OwnerCommand>>>),
    /// The task of a shared instance. The sender is weak, since the task of a retired plugin ends with its last
    /// connection.
    Shared(mpsc::WeakSender<Job>),
}

impl InstanceOwner {
    pub(super) fn for_session(control: Arc<ConnectionHandle>) -> Self {
        Self::Session(control, Mutex::default())
    }

    /// Sends a command. A command that its owner never takes is dropped, and its reply channel closes.
    pub(super) async fn send_command(&self, command: OwnerCommand) {
        match self {
            Self::Session(control, pending) => {
                let untaken = pending
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .replace(Box::new(command));
                drop(untaken);
                control.outbound.signal_command();
            }
            Self::Shared(jobs) => {
                let Some(jobs) = jobs.upgrade() else { return };
                let _ = jobs.send(Job::Command(command)).await;
            }
        }
    }

    /// Takes the pending command of a session. A task of a shared instance gets its commands as jobs.
    pub(super) fn take_command(&self) -> Option<OwnerCommand> {
        match self {
            Self::Session(_, pending) => {
                let command = pending.lock().unwrap_or_else(PoisonError::into_inner).take();
                command.map(|command| *command)
            }
            Self::Shared(_) => None,
        }
    }
}
