//! A move to another version that the guest has postponed.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep_until};

use super::owner_command::MigrateResult;
use narrowboat_runtime::{MovePatience, Version};
use narrowboat_websocket::connection::ConnectionHandle;

/// A move to another version that the guest has postponed, because its code waits.
pub(super) struct PostponedMove {
    pub(super) to: Arc<Version>,
    pub(super) report: MoveReport,
    /// Expires when the move is forced.
    deadline: Pin<Box<Sleep>>,
}

/// The receiver of the result of a move.
pub(super) enum MoveReport {
    /// The rollout that has sent the command.
    Rollout(oneshot::Sender<MigrateResult>),
    /// The log: the session of this connection found another version live when it started.
    Log(Arc<ConnectionHandle>),
}

impl PostponedMove {
    /// A move that is forced at `deadline`.
    pub(super) fn new(to: Arc<Version>, report: MoveReport, deadline: Instant) -> Self {
        Self { to, report, deadline: Box::pin(sleep_until(deadline)) }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline.deadline()
    }

    /// Whether the guest may postpone the move once more.
    pub(super) fn patience(&self) -> MovePatience {
        if Instant::now() < self.deadline() { MovePatience::MayWait } else { MovePatience::Forced }
    }

    /// Ready when the move has to be forced.
    pub(super) fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.deadline.as_mut().poll(cx)
    }
}

impl MoveReport {
    /// Reports the result. `plugin` is the label of the plugin.
    pub(super) fn send(self, plugin: &str, result: MigrateResult) {
        match self {
            // A rollout that has ended drops the receiver.
            Self::Rollout(reply) => drop(reply.send(result)),
            Self::Log(control) => {
                if let Some(error) = result.error {
                    let channel = control.channel.as_str();
                    tracing::warn!(
                        plugin,
                        channel,
                        %error,
                        "the consumer did not move to the live version"
                    );
                }
            }
        }
    }
}
