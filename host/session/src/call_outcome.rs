//! The outcome of a call into an instance.

use std::collections::VecDeque;

use tokio::sync::oneshot::error::RecvError;

use narrowboat_core::fault::GuestFault;
use narrowboat_core::frame::Frame;
use narrowboat_runtime::{Call, ConnectionId, Effect, GuestReply, Instance};

/// The guest's reply to a call, or the fault that the call ended with.
pub(super) type CallResult = Result<GuestReply, GuestFault>;

/// The reply to the session of a call.
pub(super) struct CallReply {
    pub(super) result: CallResult,
    /// The frames of the call whose events have not happened. The session brings them to the guest again, unless the
    /// connection ends.
    pub(super) rest: VecDeque<Frame>,
}

/// The reply of a call, and what its caller still has to do.
pub(super) struct CallOutcome {
    pub(super) reply: CallReply,
    /// Effects to apply. Empty if the session or the task that made the call has applied them.
    pub(super) effects: Vec<Effect>,
    /// The event that killed the instance and those behind it, if one did. They have had no effects, and another instance
    /// may get them.
    pub(super) unapplied_call: Option<Call>,
}

impl From<CallResult> for CallReply {
    fn from(result: CallResult) -> Self {
        Self { result, rest: VecDeque::new() }
    }
}

impl CallOutcome {
    /// The outcome of a call that failed with `fault` and may not be repeated.
    pub(super) fn failed(fault: GuestFault) -> Self {
        Self { reply: Err(fault).into(), effects: Vec::new(), unapplied_call: None }
    }

    /// The reply of a call whose effects are applied.
    ///
    /// # Errors
    /// The fault that killed the instance, and what another instance may get.
    pub(super) fn into_reply(self) -> Result<CallReply, (Call, GuestFault)> {
        match (self.reply, self.unapplied_call) {
            (CallReply { result: Err(fault), .. }, Some(call)) => Err((call, fault)),
            (reply, _) => Ok(reply),
        }
    }

    /// The outcome of a call that a session or a task made for another one. A dropped reply means that the instance
    /// is gone.
    pub(super) fn from_reply(reply: Result<CallReply, RecvError>) -> Self {
        let reply = reply.unwrap_or_else(|_| Err(GuestFault::InstanceLost).into());
        Self { reply, effects: Vec::new(), unapplied_call: None }
    }
}

/// The consumer that a `connect` created, which has to be disconnected if no session gets the result.
pub(super) fn created_consumer(result: &CallResult) -> Option<ConnectionId> {
    result.as_ref().ok().and_then(GuestReply::created_consumer)
}

/// Calls the guest, and takes the effects that it asked for.
pub(super) fn call_instance(instance: &mut Instance, mut call: Call) -> CallOutcome {
    let result = instance.call(&mut call);
    let effects = instance.take_effects();
    if !instance.is_room_owned() {
        let problem = "this host no longer owns it".to_owned();
        return CallOutcome::failed(GuestFault::RoomUnavailable(problem));
    }
    if instance.is_dead() {
        return CallOutcome { reply: result.into(), effects, unapplied_call: Some(call) };
    }
    let reply = CallReply { result, rest: call.into_rest() };
    CallOutcome { reply, effects, unapplied_call: None }
}

/// Calls a dedicated instance, and returns it with the outcome.
pub(super) fn call_dedicated(
    mut instance: Box<Instance>,
    call: Call,
) -> (CallOutcome, Option<Box<Instance>>) {
    (call_instance(&mut instance, call), Some(instance))
}
