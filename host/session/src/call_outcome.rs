//! The outcome of a call into an instance.

use tokio::sync::oneshot::error::RecvError;

use narrowboat_core::fault::GuestFault;
use narrowboat_runtime::{Call, ConnectionId, Effect, GuestReply, Instance};

/// The guest's reply to a call, or the fault that the call ended with.
pub(super) type CallResult = Result<GuestReply, GuestFault>;

/// The result of a call, and what its caller still has to do.
pub(super) struct CallOutcome {
    pub(super) result: CallResult,
    /// Effects to apply. Empty if the session or the task that made the call has applied them.
    pub(super) effects: Vec<Effect>,
    /// The call itself, if the instance died of it. The call has had no effects then, and another instance may get it.
    pub(super) unapplied_call: Option<Call>,
}

impl CallOutcome {
    /// The outcome of a call that failed with `fault` and may not be repeated.
    pub(super) fn failed(fault: GuestFault) -> Self {
        Self { result: Err(fault), effects: Vec::new(), unapplied_call: None }
    }

    /// The outcome of a call that a session or a task made for another one. A dropped reply means that the instance
    /// is gone.
    pub(super) fn from_reply(reply: Result<CallResult, RecvError>) -> Self {
        let result = reply.unwrap_or(Err(GuestFault::InstanceLost));
        Self { result, effects: Vec::new(), unapplied_call: None }
    }
}

/// The consumer that a `connect` created, which has to be disconnected if no session gets the result.
pub(super) fn created_consumer(result: &CallResult) -> Option<ConnectionId> {
    result.as_ref().ok().and_then(GuestReply::created_consumer)
}

/// Calls the guest, and takes the effects that it asked for.
pub(super) fn call_instance(instance: &mut Instance, call: Call) -> CallOutcome {
    let result = instance.call(&call);
    let unapplied_call = instance.is_dead().then_some(call);
    let effects = instance.take_effects();
    CallOutcome { result, effects, unapplied_call }
}
