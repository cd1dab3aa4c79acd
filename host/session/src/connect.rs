//! From a handshake to a consumer that has joined it.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::disconnect::{self, DisconnectContext};
use super::effect_applier::EffectApplier;
use super::instance_binding::{CallOutcome, InstanceBinding, await_call};
use super::instance_registry::{InstanceOwner, InstanceRegistration, InstanceRegistry};

use narrowboat_channels::Mailbox;
use narrowboat_core::close_frame::CloseFrame;
use narrowboat_core::fault::{Fault, GuestFault, sanitize_log_line};
use narrowboat_core::handshake_response::{Acceptance, HandshakeResponseError, Rejection};
use narrowboat_core::scope::Scope;
use narrowboat_quota::ConnectionPermit;
use narrowboat_runtime::{Call, ConnectionId, GuestReply, Plugin};
use narrowboat_websocket::connection::ConnectionHandle;

/// How often a handshake that waited for a shared instance while that failed is brought to the next.
const MAX_CONNECT_RETRIES: usize = 3;

/// The places that a connection takes of the host and of its plugin, until this is dropped.
#[derive(Debug)]
pub struct Permits {
    /// Of `max_connections`.
    pub host: Arc<OwnedSemaphorePermit>,
    /// Of what its plugin may have.
    pub plugin: ConnectionPermit,
}

/// A consumer that has accepted its connection, and the mailbox that was made for it. Its consumer's `disconnect` is
/// called once: by whoever ends the connection, or with 1006 when this is dropped before that, whatever drops it.
pub struct AcceptedConsumer {
    pub(super) registry: Arc<InstanceRegistry>,
    /// Where an order reaches this session, if its consumer has an instance of its own.
    pub(super) registration: Option<InstanceRegistration>,
    pub(super) control: Arc<ConnectionHandle>,
    pub(super) mailbox: Mailbox,
    pub(super) binding: InstanceBinding,
    pub(super) id: ConnectionId,
    scope: Arc<Scope>,
    permits: Arc<Permits>,
    /// Its `disconnect` has been called, or will be.
    is_disconnected: bool,
}

/// A consumer's answer to a handshake.
pub enum ConnectOutcome {
    /// It takes the connection.
    Accepted(Acceptance, Box<AcceptedConsumer>),
    /// It does not, or it failed.
    Rejected(Rejection),
}

/// Brings a handshake to a new consumer of the plugin.
pub async fn connect_consumer(
    roster: &Arc<InstanceRegistry>,
    mailbox: Mailbox,
    link: Arc<ConnectionHandle>,
    scope: Scope,
    permits: Permits,
) -> ConnectOutcome {
    let scope = Arc::new(scope);
    let permits = Arc::new(permits);
    let (roster, link) = (Arc::clone(roster), link);
    let undo = DisconnectContext { registry: roster, control: link, permits };
    let (mut seat, mut called) = connect_instance(&undo, &scope).await;
    for _ in 0..MAX_CONNECT_RETRIES {
        if called.result.as_ref().err() != Some(&GuestFault::SharedInstanceFailed) {
            break;
        }
        (seat, called) = connect_instance(&undo, &scope).await;
    }
    // From here to `Joined`, whose drop undoes what was accepted, there must be no await.
    let DisconnectContext { registry: roster, control: link, permits } = undo;
    roster.effect_applier().apply(called.effects);
    let plugin = &*roster.plugin.label;
    match called.result {
        Ok(GuestReply::Accepted(id, acceptance)) => {
            let listed = seat
                .is_dedicated()
                .then(|| roster.register(InstanceOwner::for_session(Arc::clone(&link))));
            let joined = AcceptedConsumer {
                registry: Arc::clone(&roster),
                registration: listed,
                control: link,
                mailbox,
                binding: seat,
                id,
                scope: Arc::clone(&scope),
                permits,
                is_disconnected: false,
            };
            match acceptance.check(&scope.subprotocols) {
                Ok(()) => {
                    joined.wait_for_group_adds().await;
                    ConnectOutcome::Accepted(acceptance, Box::new(joined))
                }
                // Its consumer is told by the drop, which an end of this handshake does not stop.
                Err(error) => ConnectOutcome::Rejected(reject_invalid_response(plugin, &error)),
            }
        }
        Ok(GuestReply::Rejected(rejection)) => ConnectOutcome::Rejected(match rejection.check() {
            Ok(()) => rejection,
            Err(error) => reject_invalid_response(plugin, &error),
        }),
        Ok(_) => ConnectOutcome::Rejected(Rejection::plain_text(500, "")),
        Err(fault) => {
            let version = roster.plugin.live_version().digest().short_hex();
            let bounded = matches!(fault, GuestFault::QuotaExceeded(_));
            Fault::Guest(fault).log(plugin, link.channel.as_str(), &version);
            ConnectOutcome::Rejected(if bounded {
                let full =
                    Rejection::plain_text(503, "plugin resource limit reached; try again later\n");
                full.with_header("retry-after", "1")
            } else {
                Rejection::plain_text(500, "the consumer failed\n")
            })
        }
    }
}

/// Takes a seat and brings the handshake there. Dropped, it leaves no consumer behind.
async fn connect_instance(
    undo: &DisconnectContext,
    scope: &Arc<Scope>,
) -> (InstanceBinding, CallOutcome) {
    let mut seat = InstanceBinding::new(&undo.registry);
    let call = Call::Connect { connection: Arc::clone(&undo.control), scope: Arc::clone(scope) };
    let calling = seat.connect(call, undo);
    let called = await_call(&mut seat, calling).await;
    (seat, called)
}

fn reject_invalid_response(plugin: &str, error: &HandshakeResponseError) -> Rejection {
    let error = sanitize_log_line(&error.to_string());
    tracing::warn!(plugin, "answered a handshake with what cannot be sent: {error}");
    Rejection::plain_text(500, "the consumer returned an invalid response\n")
}

impl AcceptedConsumer {
    /// What its handshake told.
    pub fn scope(&self) -> &Arc<Scope> {
        &self.scope
    }

    /// Whether nothing leads to its plugin any more.
    pub fn is_retired(&self) -> bool {
        self.registry.is_retired()
    }

    /// The plugin that serves it.
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.registry.plugin
    }

    /// The connection as others reach it.
    pub fn control(&self) -> &Arc<ConnectionHandle> {
        &self.control
    }

    /// Waits until the groups it joined are known wherever the layer keeps them: what is sent to
    /// one after the 101 reaches the consumer.
    async fn wait_for_group_adds(&self) {
        if let Err(error) = self.registry.layer.wait_for_memberships().await {
            let (plugin, channel) = self.log_fields();
            tracing::debug!(plugin, channel, "joined without its groups for now: {error}");
        }
    }

    /// The peer left before its socket was open.
    pub async fn disconnect_abnormally(mut self) {
        self.control.outbound.close(CloseFrame::abnormal());
        self.disconnect(CloseFrame::abnormal()).await;
    }

    /// Tells the consumer, if it still lives, that its connection is over. To be awaited to its end.
    pub(super) async fn disconnect(&mut self, closure: CloseFrame) {
        self.is_disconnected = true;
        let Self { registry: roster, control: link, binding: seat, id, .. } = self;
        disconnect::disconnect(roster, link, seat, *id, closure).await;
    }

    /// The places it takes, for whoever goes on with its socket.
    pub(super) fn permits(&self) -> Arc<Permits> {
        Arc::clone(&self.permits)
    }

    pub(super) fn effect_applier(&self) -> EffectApplier<'_> {
        self.registry.effect_applier()
    }

    /// Ends the connection for a fault, which is logged.
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

    /// Plugin and channel, for the log.
    pub(super) fn log_fields(&self) -> (&str, &str) {
        (&self.registry.plugin.label, self.control.channel.as_str())
    }
}

impl Drop for AcceptedConsumer {
    fn drop(&mut self) {
        if self.is_disconnected {
            return;
        }
        let seat = self.binding.take();
        let Self { registry: roster, control: link, permits, .. } = self;
        let (roster, link, permits) = (Arc::clone(roster), Arc::clone(link), Arc::clone(permits));
        DisconnectContext { registry: roster, control: link, permits }.disconnect(seat, self.id);
    }
}
