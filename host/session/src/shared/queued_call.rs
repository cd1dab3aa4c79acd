//! A call that waits for a shared instance.

use tokio::sync::oneshot;
use tracing::Span;

use crate::call_outcome::CallReply;
use crate::member_turn::MemberTurn;
use narrowboat_runtime::Call;

/// A call that waits for a shared instance.
pub(crate) struct QueuedCall {
    pub(super) call: Call,
    pub(super) reply: oneshot::Sender<CallReply>,
    /// The span of the waiting session, for traces.
    pub(super) span: Span,
}

/// The receiver of the reply to a call of which the instance died.
pub(super) enum ReplyTo {
    /// A session, which waits for it.
    Session(oneshot::Sender<CallReply>),
    /// A member whose session rests.
    Member(MemberTurn),
}

impl QueuedCall {
    /// Queues `call` in the current span. The receiver gets the reply.
    pub(super) fn new(call: Call) -> (Self, oneshot::Receiver<CallReply>) {
        let (reply, receiver) = oneshot::channel();
        (Self { call, reply, span: Span::current() }, receiver)
    }

    /// Whether this is a handshake whose client has left. The guest is not called for it.
    pub(super) fn is_abandoned(&self) -> bool {
        matches!(self.call, Call::Connect { .. }) && self.reply.is_closed()
    }
}

impl ReplyTo {
    /// Hands the reply on.
    ///
    /// # Errors
    /// The reply, if its session has ended.
    pub(super) fn send(self, reply: CallReply) -> Result<(), CallReply> {
        match self {
            Self::Session(sender) => sender.send(reply),
            Self::Member(turn) => {
                turn.handle_result(reply.result, None);
                Ok(())
            }
        }
    }
}
