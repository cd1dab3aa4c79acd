//! The turn of a member of a shared instance: the right to read its mailbox while its session rests.

use std::sync::Arc;

use tracing::{Span, info_span};

use crate::call_outcome::CallResult;
use crate::fail_connection::fail_connection;
use crate::reply_fault::reply_fault;
use narrowboat_channels::{Delivery, MailboxDeputy};
use narrowboat_core::fault::{Fault, GuestFault};
use narrowboat_core::log_target::TRACE;
use narrowboat_runtime::{Call, ConnectionId, Plugin};
use narrowboat_websocket::connection::ConnectionHandle;

/// The parts of a member that a call of its consumer needs.
pub(super) struct TurnContext {
    pub(super) plugin: Arc<Plugin>,
    pub(super) control: Arc<ConnectionHandle>,
    pub(super) id: ConnectionId,
    pub(super) mailbox: MailboxDeputy,
}

/// The right to read the mailbox of a member in place of its session. Dropping it hands the mailbox back, and wakes the
/// session if a delivery waits.
pub(crate) struct MemberTurn {
    context: Arc<TurnContext>,
    /// Whether the mailbox was found empty, which has ended the turn.
    is_over: bool,
}

impl MemberTurn {
    /// Begins a turn. The sink of the mailbox has just taken the mailbox over.
    pub(super) fn new(context: Arc<TurnContext>) -> Self {
        Self { context, is_over: false }
    }

    /// Takes the next call for a message, and pushes the frames before it. `None` ends the turn: the mailbox is empty, or
    /// the connection is closing, so that its consumer gets no further messages.
    pub(super) fn next_call(&mut self) -> Option<Call> {
        let TurnContext { control, id, mailbox, .. } = &*self.context;
        while !control.outbound.is_closing() {
            match mailbox.take_next() {
                Some(Delivery::Message(message)) => return Some(Call::Handle(*id, message)),
                // A refused frame is a lost delivery: the overflow policy has acted at the limit.
                Some(Delivery::Frame(frame)) => control.push(frame),
                None => {
                    self.is_over = true;
                    return None;
                }
            }
        }
        None
    }

    /// The trace span of a call.
    pub(super) fn call_span(&self, call: &Call) -> Span {
        let TurnContext { plugin, control, .. } = &*self.context;
        let (plugin, channel) = (&*plugin.label, control.channel.as_str());
        let kind = match call {
            Call::Handle(_, message) => message.message_type(),
            _ => "",
        };
        info_span!(target: TRACE, parent: None, "handle", plugin, channel, kind, otel.kind = "consumer")
    }

    /// Ends the connection if the result of a call asks for that.
    pub(super) fn handle_result(&self, result: CallResult) {
        let TurnContext { plugin, control, .. } = &*self.context;
        match result {
            Ok(reply) => {
                if let Some(fault) = reply_fault(reply, control, &plugin.label) {
                    control.outbound.fail(fault);
                }
            }
            // The consumer has ended, or the end of its instance has closed the connection.
            Err(GuestFault::InstanceLost) => {}
            Err(fault) => fail_connection(plugin, control, Fault::Guest(fault)),
        }
    }
}

impl Drop for MemberTurn {
    fn drop(&mut self) {
        if !self.is_over {
            self.context.mailbox.hand_back();
        }
    }
}
