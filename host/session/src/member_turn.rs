//! The turn of a consumer whose session rests: the right to read its mailbox.

use std::sync::Arc;

use tracing::{Span, info_span};

use crate::call_outcome::CallResult;
use crate::fail_connection::fail_connection;
use crate::reply_fault::reply_fault;
use narrowboat_channels::{Delivery, MailboxDeputy};
use narrowboat_core::fault::{Fault, GuestFault};
use narrowboat_core::log_target::TRACE;
use narrowboat_core::sha256_digest::Sha256Digest;
use narrowboat_runtime::{Call, ConnectionId, Plugin};
use narrowboat_websocket::connection::ConnectionHandle;

/// Messages of one consumer that others handle in a row.
pub(crate) const MAX_CALLS_IN_A_TURN: usize = 16;

/// The parts of a member that a call of its consumer needs.
pub(crate) struct TurnContext {
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) control: Arc<ConnectionHandle>,
    pub(crate) id: ConnectionId,
    pub(crate) mailbox: MailboxDeputy,
}

/// The right to read the mailbox of a member in place of its session. Dropping it hands the mailbox back, and wakes the
/// session if a delivery waits.
pub(crate) struct MemberTurn {
    context: Arc<TurnContext>,
    /// A call that was taken, and that has not happened.
    not_happened: Option<Call>,
    /// Whether the mailbox was found empty, which has ended the turn.
    is_over: bool,
}

impl MemberTurn {
    /// Begins a turn. The sink of the mailbox has just taken the mailbox over.
    pub(crate) fn new(context: Arc<TurnContext>) -> Self {
        Self { context, not_happened: None, is_over: false }
    }

    /// The handle of the connection.
    pub(crate) fn control(&self) -> Arc<ConnectionHandle> {
        Arc::clone(&self.context.control)
    }

    /// Takes the next call for a message, and pushes the frames before it. `None` ends the turn: the mailbox is empty, or
    /// the connection is closing, so that its consumer gets no further messages.
    pub(crate) fn next_call(&mut self) -> Option<Call> {
        let TurnContext { control, id, mailbox, .. } = &*self.context;
        if self.not_happened.is_some() && !control.outbound.is_closing() {
            return self.not_happened.take();
        }
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

    /// Puts back a call that was taken, and that has not happened. It is the next one.
    pub(crate) fn put_back(&mut self, call: Call) {
        self.not_happened = Some(call);
    }

    /// The trace span of a call.
    pub(crate) fn call_span(&self, call: &Call) -> Span {
        let TurnContext { plugin, control, .. } = &*self.context;
        let (plugin, channel) = (&*plugin.label, control.channel.as_str());
        let kind = match call {
            Call::Handle(_, message) => message.message_type(),
            _ => "",
        };
        info_span!(target: TRACE, parent: None, "handle", plugin, channel, kind, otel.kind = "consumer")
    }

    /// Ends the connection if the result of a call asks for that. `version` is the one that ran, if it is known.
    pub(crate) fn handle_result(&self, result: CallResult, version: Option<Sha256Digest>) {
        let TurnContext { plugin, control, .. } = &*self.context;
        match result {
            Ok(reply) => {
                if let Some(fault) = reply_fault(reply, control, &plugin.label) {
                    control.outbound.fail(fault);
                }
            }
            // The consumer has ended, or the end of its instance has closed the connection.
            Err(GuestFault::InstanceLost) => {}
            Err(fault) => fail_connection(plugin, version, control, Fault::Guest(fault)),
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
