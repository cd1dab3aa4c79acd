//! A consumer that has accepted its connection, or decides later.

use std::sync::Arc;

use super::dedicated::RestingInstance;
use super::disconnect::{self, DisconnectContext};
use super::effect_applier::EffectApplier;
use super::instance_binding::InstanceBinding;
use super::instance_owner::InstanceOwner;
use super::instance_registration::InstanceRegistration;
use super::instance_registry::InstanceRegistry;
use super::permits::Permits;
use super::postponed_move::PostponedMove;
use super::restart_limiter::RestartLimiter;
use narrowboat_channels::Mailbox;
use narrowboat_core::close_frame::CloseFrame;
use narrowboat_core::fault::Fault;
use narrowboat_core::scope::Scope;
use narrowboat_runtime::{Call, ConnectionId, Plugin};
use narrowboat_websocket::connection::ConnectionHandle;

/// A consumer that has accepted its connection or decides later, and its mailbox. Its `disconnect` is called once: by the code that
/// ends the connection, or with 1006 on a task of its own if this is dropped before that.
pub struct AcceptedConsumer {
    pub(super) registry: Arc<InstanceRegistry>,
    /// Receives commands for the session. `None` if the instance is shared, since its task gets them.
    pub(super) registration: Option<InstanceRegistration>,
    pub(super) control: Arc<ConnectionHandle>,
    pub(super) mailbox: Mailbox,
    pub(super) binding: InstanceBinding,
    pub(super) id: ConnectionId,
    /// Lends the consumer's own instance while the session of its open connection rests. `None` if the instance is shared.
    pub(super) resting: Option<Arc<RestingInstance>>,
    /// The move to another version that the guest has postponed. Boxed, because few consumers have one.
    pub(super) postponed_move: Option<Box<PostponedMove>>,
    /// The restarts of the consumer's own instance after traps. Boxed, because few consumers have one.
    pub(super) restart_limiter: Option<Box<RestartLimiter>>,
    scope: Arc<Scope>,
    permits: Arc<Permits>,
    /// The last call of the consumer has been made, or has begun.
    has_ended: bool,
}

impl AcceptedConsumer {
    /// Registers a session that has an instance of its own, so that commands reach it.
    pub(super) fn new(
        context: DisconnectContext,
        mailbox: Mailbox,
        binding: InstanceBinding,
        id: ConnectionId,
        scope: Arc<Scope>,
    ) -> Self {
        let DisconnectContext { registry, control, permits } = context;
        let registration = binding.is_dedicated().then(|| {
            let owner = InstanceOwner::for_session(Arc::clone(&control));
            InstanceRegistration::new(&registry, owner)
        });
        Self {
            registry,
            registration,
            control,
            mailbox,
            binding,
            id,
            resting: None,
            postponed_move: None,
            restart_limiter: None,
            scope,
            permits,
            has_ended: false,
        }
    }

    /// The scope of the consumer's handshake.
    pub fn scope(&self) -> &Arc<Scope> {
        &self.scope
    }

    /// Whether the plugin has been retired: no route leads to it any more.
    pub fn is_retired(&self) -> bool {
        self.registry.is_retired()
    }

    /// The plugin that serves the connection.
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.registry.plugin
    }

    /// The handle through which others reach the connection.
    pub fn control(&self) -> &Arc<ConnectionHandle> {
        &self.control
    }

    /// Waits until the layer has stored the consumer's group memberships: a message that is sent to a group after the
    /// 101 reaches the consumer.
    pub(super) async fn wait_for_group_adds(&self) {
        if let Err(error) = self.registry.layer.wait_for_memberships().await {
            let (plugin, channel) = self.log_fields();
            tracing::debug!(plugin, channel, %error, "connected before its groups were stored");
        }
    }

    /// Calls `disconnect` with 1006, for a peer that left before its socket was open.
    pub async fn disconnect_abnormally(mut self) {
        self.control.outbound.close(CloseFrame::abnormal());
        self.disconnect(CloseFrame::abnormal()).await;
    }

    /// Calls the consumer's `disconnect`, if its instance still lives. The future must be polled to its end: dropping
    /// it may leave the call unmade, and the drop of the consumer does not repeat it.
    pub(super) async fn disconnect(&mut self, close: CloseFrame) {
        self.end(Call::Disconnect(self.id, close)).await;
    }

    /// Drops the consumer without a `disconnect`, because it rejected its handshake. The future must be polled to its
    /// end, as that of [`Self::disconnect`].
    pub(super) async fn discard(&mut self) {
        self.end(Call::Discard(self.id)).await;
    }

    async fn end(&mut self, last_call: Call) {
        self.has_ended = true;
        let Self { registry, control, binding, .. } = self;
        disconnect::end_consumer(registry, control, binding, last_call).await;
    }

    /// The connection's permits, to be held until its socket is closed.
    pub(super) fn permits(&self) -> Arc<Permits> {
        Arc::clone(&self.permits)
    }

    pub(super) fn effect_applier(&self) -> EffectApplier<'_> {
        self.registry.effect_applier()
    }

    /// Ends the connection with a fault, and logs the fault.
    pub(super) fn fail(&self, fault: Fault) {
        self.log_fault(&fault);
        self.control.outbound.fail(fault);
    }

    pub(super) fn log_fault(&self, fault: &Fault) {
        let (plugin, channel) = self.log_fields();
        let live = || self.registry.plugin.live_version();
        let version = self.binding.version().cloned().unwrap_or_else(live);
        fault.log(plugin, channel, &version.digest().short_hex());
    }

    /// The values of the log fields `plugin` and `channel`.
    pub(super) fn log_fields(&self) -> (&str, &str) {
        (&self.registry.plugin.label, self.control.channel.as_str())
    }
}

impl Drop for AcceptedConsumer {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        if let Some(lent) = self.resting.as_ref().and_then(|resting| resting.close()) {
            self.binding.return_instance(Some(lent.instance));
        }
        let binding = self.binding.take();
        let Self { registry, control, permits, .. } = self;
        let (registry, control, permits) =
            (Arc::clone(registry), Arc::clone(control), Arc::clone(permits));
        DisconnectContext { registry, control, permits }.disconnect(binding, self.id);
    }
}
