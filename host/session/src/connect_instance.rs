//! The instance of a new consumer, and the call of `connect` in it.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::call_outcome::{CallOutcome, CallReply, call_dedicated, created_consumer};
use super::disconnect::DisconnectContext;
use super::guarded_receiver::GuardedReceiver;
use super::instance_binding::{InstanceBinding, await_call};
use super::pending_call::{CallFuture, PendingCall};
use super::shared::SharedInstance;
use narrowboat_core::fault::GuestFault;
use narrowboat_core::room_name::RoomName;
use narrowboat_core::scope::Scope;
use narrowboat_runtime::{Call, Instance, Plugin};

/// Further attempts of a handshake whose shared instance fails while the handshake waits for it.
const MAX_CONNECT_RETRIES: usize = 3;

/// Binds a consumer to an instance and calls its `connect`; repeats that if the shared instance fails meanwhile.
/// Dropping the future leaves no consumer behind: an acceptance that has not been returned is undone.
pub(super) async fn connect_with_retries(
    context: &DisconnectContext,
    scope: &Arc<Scope>,
    room: Option<&RoomName>,
) -> (InstanceBinding, CallOutcome) {
    let (mut binding, mut outcome) = connect_instance(context, scope, room).await;
    for _ in 0..MAX_CONNECT_RETRIES {
        if outcome.reply.result.as_ref().err() != Some(&GuestFault::InstanceLost) {
            break;
        }
        (binding, outcome) = connect_instance(context, scope, room).await;
    }
    (binding, outcome)
}

async fn connect_instance(
    context: &DisconnectContext,
    scope: &Arc<Scope>,
    room: Option<&RoomName>,
) -> (InstanceBinding, CallOutcome) {
    let mut binding = InstanceBinding::new(&context.registry, room);
    let call = Call::Connect { connection: Arc::clone(&context.control), scope: Arc::clone(scope) };
    let pending = match &mut binding {
        InstanceBinding::Dedicated(plugin, instance) => {
            connect_dedicated(context, plugin, instance, call)
        }
        // A new binding does not hibernate.
        InstanceBinding::Hibernated(..) => {
            PendingCall::Ready(CallOutcome::failed(GuestFault::InstanceLost))
        }
        InstanceBinding::Shared(_, shared) => connect_shared(context, shared, call),
    };
    let outcome = await_call(&mut binding, pending).await;
    context.registry.refill_ready_instances();
    (binding, outcome)
}

/// Makes the consumer's own instance and calls `connect` in it. On this thread the instance goes into `slot` at once; on
/// a guest thread it comes back with the result.
fn connect_dedicated(
    context: &DisconnectContext,
    plugin: &Arc<Plugin>,
    slot: &mut Option<Box<Instance>>,
    call: Call,
) -> PendingCall<CallOutcome> {
    let version = plugin.live_version();
    let needs_guest_thread = version.needs_guest_thread();
    if let Some(instance) = context.registry.take_ready_instance(&version) {
        let work = move || call_dedicated(Box::new(instance), call);
        return run_connect(context, plugin, slot, needs_guest_thread, work);
    }
    let pool_slots = match version.reserve_pool_slots() {
        Ok(pool_slots) => pool_slots,
        Err(fault) => return PendingCall::Ready(CallOutcome::failed(fault)),
    };
    let needs_guest_thread = version.starts_on_guest_thread();
    let work = move || match Instance::new(version, pool_slots) {
        Ok(instance) => call_dedicated(Box::new(instance), call),
        Err(fault) => (CallOutcome::failed(fault), None),
    };
    run_connect(context, plugin, slot, needs_guest_thread, work)
}

/// Runs `work` on a guest thread if it needs one. Otherwise runs it on this thread and puts the instance into `slot`.
fn run_connect(
    context: &DisconnectContext,
    plugin: &Arc<Plugin>,
    slot: &mut Option<Box<Instance>>,
    needs_guest_thread: bool,
    work: impl FnOnce() -> (CallOutcome, Option<Box<Instance>>) + Send + 'static,
) -> PendingCall<CallOutcome> {
    if needs_guest_thread {
        return PendingCall::Running(connect_on_guest_thread(Arc::clone(plugin), work, context));
    }
    let (outcome, instance) = work();
    *slot = instance;
    PendingCall::Ready(outcome)
}

/// Calls `connect` in a new dedicated instance on a guest thread. Dropping the future undoes the handshake: the guest
/// thread does not begin it, or its outcome is passed to [`DisconnectContext::undo_connect`].
fn connect_on_guest_thread(
    plugin: Arc<Plugin>,
    work: impl FnOnce() -> (CallOutcome, Option<Box<Instance>>) + Send + 'static,
    context: &DisconnectContext,
) -> CallFuture<CallOutcome> {
    let (sender, receiver) = oneshot::channel();
    let (context_of_sender, context_of_receiver) = (context.clone(), context.clone());
    let receiver = GuardedReceiver::new(receiver, move |unreceived| {
        context_of_receiver.clone().undo_connect(unreceived);
    });
    let work = move || {
        if !sender.is_closed()
            && let Err(unreceived) = sender.send(work())
        {
            context_of_sender.undo_connect(unreceived);
        }
    };
    Box::pin(async move {
        let lost = || (CallOutcome::failed(GuestFault::InstanceLost), None);
        match plugin.executor.run(work).await {
            Some(()) => receiver.await.unwrap_or_else(|_| lost()),
            None => lost(),
        }
    })
}

/// Calls `connect` in a shared instance. An acceptance that is not received is undone.
fn connect_shared(
    context: &DisconnectContext,
    shared: &SharedInstance,
    call: Call,
) -> PendingCall<CallOutcome> {
    let (undo_context, instance) = (context.clone(), shared.clone());
    let undo = move |unreceived: CallReply| {
        if let Some(id) = created_consumer(&unreceived.result) {
            let registry = Arc::clone(&undo_context.registry);
            let binding = InstanceBinding::Shared(registry, instance.clone());
            undo_context.clone().disconnect(binding, id);
        }
    };
    let applier = context.registry.effect_applier();
    let pending = shared.connect(call, &applier, undo);
    shared.drain_turns(&applier);
    pending
}
