//! The last call of a consumer: `disconnect`.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::call_outcome::{CallOutcome, created_consumer};
use super::instance_binding::{InstanceBinding, await_call};
use super::instance_registry::InstanceRegistry;
use super::permits::Permits;
use narrowboat_core::close_frame::CloseFrame;
use narrowboat_core::fault::{Fault, GuestFault};
use narrowboat_runtime::{Call, ConnectionId, Instance};
use narrowboat_websocket::connection::ConnectionHandle;

/// The parts of a connection that a call of its consumer's `disconnect` needs. It serves where no session runs the
/// consumer any more: after a handshake that was dropped at an await, or after a panic in a session.
#[derive(Clone)]
pub(super) struct DisconnectContext {
    pub(super) registry: Arc<InstanceRegistry>,
    pub(super) control: Arc<ConnectionHandle>,
    /// Held until `disconnect` has returned.
    pub(super) permits: Arc<Permits>,
}

impl DisconnectContext {
    /// Calls the consumer's `disconnect` with 1006 on a task of its own, since a drop cannot wait. Without a runtime
    /// the host has ended, and the consumer with it.
    pub(super) fn disconnect(self, mut binding: InstanceBinding, id: ConnectionId) {
        let close = CloseFrame::abnormal();
        self.control.outbound.close(close.clone());
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            let last_call = Call::Disconnect(id, close);
            end_consumer(&self.registry, &self.control, &mut binding, last_call).await;
            drop(self.permits);
        });
    }

    /// Undoes a handshake in a dedicated instance that no session received: applies its effects, and calls
    /// `disconnect` if there is a consumer.
    pub(super) fn undo_connect(self, (outcome, instance): (CallOutcome, Option<Box<Instance>>)) {
        self.registry.effect_applier().apply(outcome.effects);
        if let Some(id) = created_consumer(&outcome.reply.result) {
            let binding = InstanceBinding::Dedicated(Arc::clone(&self.registry.plugin), instance);
            self.disconnect(binding, id);
        }
    }
}

/// Makes the last call of a consumer, if its instance still lives, and logs a fault of that call.
pub(super) async fn end_consumer(
    registry: &InstanceRegistry,
    control: &ConnectionHandle,
    binding: &mut InstanceBinding,
    last_call: Call,
) {
    let pending = binding.call(last_call);
    binding.drain_turns();
    let outcome = await_call(binding, pending).await;
    if let Err(fault) = outcome.reply.result
        && fault != GuestFault::InstanceLost
    {
        let live = || registry.plugin.live_version();
        let version = binding.version().cloned().unwrap_or_else(live);
        let version = version.digest().short_hex();
        Fault::Guest(fault).log(&registry.plugin.label, control.channel.as_str(), &version);
    }
    registry.effect_applier().apply(outcome.effects);
}
