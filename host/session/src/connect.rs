//! The first call of a consumer: `connect`, which decides a handshake.

use std::sync::Arc;

use super::accepted_consumer::AcceptedConsumer;
use super::connect_instance::connect_with_retries;
use super::disconnect::DisconnectContext;
use super::instance_registry::InstanceRegistry;
use super::permits::Permits;
use super::undecided_handshake::wait_for_decision;
use narrowboat_channels::Mailbox;
use narrowboat_core::fault::{Fault, GuestFault, sanitize_log_line};
use narrowboat_core::handshake_response::{
    Acceptance, HandshakeResponseError, HostRejection, Rejection,
};
use narrowboat_core::room_name::{RoomName, RoomNameError};
use narrowboat_core::scope::Scope;
use narrowboat_runtime::{GuestReply, Plugin};
use narrowboat_websocket::connection::ConnectionHandle;

/// A consumer's answer to a handshake.
pub enum ConnectOutcome {
    /// The consumer accepted the connection.
    Accepted(Acceptance, Box<AcceptedConsumer>),
    /// The consumer rejected the connection, or it failed.
    Rejected(Rejection),
}

/// Calls `connect` of a new consumer of the registry's plugin, and waits for its decision if it decides later: then
/// `register` is called, and its value is kept until the decision. Dropping the future leaves no consumer behind: if
/// one has accepted or has not decided, its `disconnect` is called.
pub async fn connect_consumer<G>(
    registry: &Arc<InstanceRegistry>,
    mailbox: Mailbox,
    control: Arc<ConnectionHandle>,
    scope: Scope,
    permits: Permits,
    register: impl FnOnce(&AcceptedConsumer) -> G,
) -> ConnectOutcome {
    let room = match room_of(registry, &scope) {
        Ok(room) => room,
        Err(rejection) => return ConnectOutcome::Rejected(rejection.into()),
    };
    let scope = Arc::new(scope);
    let context =
        DisconnectContext { registry: Arc::clone(registry), control, permits: Arc::new(permits) };
    let (binding, outcome) = connect_with_retries(&context, &scope, room.as_ref()).await;
    // There must be no await between here and `AcceptedConsumer::new`: until then nothing undoes an acceptance.
    registry.effect_applier().apply(outcome.effects);
    let plugin = &registry.plugin;
    match outcome.reply.result {
        Ok(GuestReply::Accepted(id, acceptance)) => {
            let consumer = AcceptedConsumer::new(context, mailbox, binding, id, scope);
            consumer.control.outbound.end_handshake();
            complete_acceptance(acceptance, Box::new(consumer)).await
        }
        Ok(GuestReply::DecidesLater(id)) => {
            let consumer = AcceptedConsumer::new(context, mailbox, binding, id, scope);
            let registered = register(&consumer);
            let response = wait_for_decision(consumer).await;
            drop(registered);
            match response {
                Ok((acceptance, consumer)) => complete_acceptance(acceptance, consumer).await,
                Err(rejection) => ConnectOutcome::Rejected(check_rejection(plugin, rejection)),
            }
        }
        Ok(GuestReply::Rejected(rejection)) => {
            ConnectOutcome::Rejected(check_rejection(plugin, rejection))
        }
        // The runtime returns no other reply to `connect`.
        Ok(_) => ConnectOutcome::Rejected(HostRejection::ConsumerFailed.into()),
        Err(fault) => {
            let channel = context.control.channel.as_str();
            ConnectOutcome::Rejected(reject_after_fault(plugin, channel, fault))
        }
    }
}

/// The room of a connection; `None` for a plugin without rooms.
fn room_of(
    registry: &InstanceRegistry,
    scope: &Scope,
) -> Result<Option<RoomName>, HostRejection<'static>> {
    let version = registry.plugin.live_version();
    let Some(settings) = version.rooms() else { return Ok(None) };
    match settings.template.room_name(&scope.url_route) {
        Ok(room) => Ok(Some(room)),
        Err(RoomNameError::TooLong) => Err(HostRejection::RoomNameTooLong),
        Err(error @ RoomNameError::MissingParameter(_)) => {
            let (plugin, path) = (&*registry.plugin.label, &*sanitize_log_line(&scope.path));
            tracing::warn!(plugin, path, %error, "a connection has no room");
            Err(HostRejection::ConsumerFailed)
        }
    }
}

/// Checks an acceptance. If it is invalid, the drop of the consumer calls its `disconnect`, even if this handshake is
/// dropped meanwhile.
async fn complete_acceptance(
    acceptance: Acceptance,
    consumer: Box<AcceptedConsumer>,
) -> ConnectOutcome {
    match acceptance.check(&consumer.scope().subprotocols) {
        Ok(()) => {
            consumer.wait_for_group_adds().await;
            ConnectOutcome::Accepted(acceptance, consumer)
        }
        Err(error) => ConnectOutcome::Rejected(reject_invalid_response(consumer.plugin(), &error)),
    }
}

/// Returns a consumer's rejection, or the response for the client if it is invalid.
fn check_rejection(plugin: &Plugin, rejection: Rejection) -> Rejection {
    match rejection.check() {
        Ok(()) => rejection,
        Err(error) => reject_invalid_response(plugin, &error),
    }
}

/// Logs a fault of `connect`, and returns the response for the client: 503 if a quota is used up or the room cannot be
/// opened now, else 500.
fn reject_after_fault(plugin: &Plugin, channel: &str, fault: GuestFault) -> Rejection {
    let version = plugin.live_version().digest().short_hex();
    if let GuestFault::RoomElsewhere(left) = fault {
        tracing::debug!(plugin = &*plugin.label, channel, "another host owns the room");
        return Rejection::from(HostRejection::RoomElsewhere).with_retry_after(left);
    }
    let rejection = match fault {
        GuestFault::QuotaExceeded(_) => HostRejection::QuotaExceeded,
        GuestFault::RoomUnavailable(_) => HostRejection::RoomUnavailable,
        _ => HostRejection::ConsumerFailed,
    };
    Fault::Guest(fault).log(&plugin.label, channel, &version);
    rejection.into()
}

/// Logs why a consumer's response cannot be sent, and returns the response for the client.
fn reject_invalid_response(plugin: &Plugin, error: &HandshakeResponseError) -> Rejection {
    let error = sanitize_log_line(&error.to_string());
    tracing::warn!(plugin = &*plugin.label, %error, "the consumer returned an invalid response");
    HostRejection::InvalidConsumerResponse.into()
}
