//! The effects that a guest asked for, applied in order after its call.

use tracing::info_span;
use tracing::span::EnteredSpan;

use super::call_outcome::{CallOutcome, call_instance};
use super::charged_flush::{charge, flush_charged};
use super::fail_connection::fail_connection;
use narrowboat_channels::{ChannelLayer, LayerError, MaybeReady};
use narrowboat_core::deferred_flush::defer_flushes;
use narrowboat_core::log_target::TRACE;
use narrowboat_quota::LimitKind;
use narrowboat_runtime::{Call, Effect, Instance, Plugin, recycle_effects};
use narrowboat_websocket::connection::LateDecision;

/// Applies effects for a plugin.
#[derive(Clone, Copy)]
pub(super) struct EffectApplier<'a> {
    pub(super) plugin: &'a Plugin,
    pub(super) layer: &'a dyn ChannelLayer,
}

impl EffectApplier<'_> {
    /// Applies the effects of one call. An effect that has become impossible is dropped, for example because a socket
    /// closed or a channel filled up during the call: delivery is at most once. This never waits for a remote layer.
    pub(super) fn apply(&self, mut effects: Vec<Effect>) {
        let quota = &self.plugin.quota;
        let scope = defer_flushes();
        // The time to apply effects counts as CPU time of the plugin.
        charge(quota, || effects.drain(..).for_each(|effect| self.apply_or_drop(effect)));
        recycle_effects(effects);
        // Nothing to write in a session, which writes the frames of all its effects together.
        scope.end(|list| flush_charged(quota, list));
    }

    fn apply_or_drop(&self, effect: Effect) {
        if let Err(error) = self.apply_one(effect) {
            if let Some(limit) = exceeded_limit(&error) {
                self.plugin.quota.record_limit_hit(limit);
            }
            tracing::debug!(plugin = &*self.plugin.label, %error, "dropped an effect");
        }
    }

    fn apply_one(&self, effect: Effect) -> Result<(), LayerError> {
        let Self { plugin, layer } = *self;
        let tenant = &plugin.tenant;
        match effect {
            Effect::Send(connection, frame) => connection.push(frame),
            Effect::SendMany(connections, frame) => {
                connections.iter().for_each(|connection| connection.push(frame.clone()));
            }
            Effect::Close(connection, close) => connection.outbound.close(close),
            Effect::Fail(connection, fault) => fail_connection(plugin, None, &connection, fault),
            Effect::Overflow(connection) => connection.outbound.fail_stalled(),
            Effect::Accept(connection, acceptance) => {
                connection.outbound.decide_handshake(LateDecision::Accept(acceptance));
            }
            Effect::Reject(connection, rejection) => {
                connection.outbound.decide_handshake(LateDecision::Reject(rejection));
            }
            Effect::ReopenHandshake(connection) => connection.outbound.reopen_handshake(),
            Effect::SetTimer(connection, id, delay) => connection.set_timer(id, delay),
            Effect::ClearTimer(connection, id) => connection.timers.clear(id),
            Effect::SetAlarm(room, time) => {
                room.set_alarm(time);
                room.notify();
            }
            Effect::LayerSend(channel, message) => {
                let _span = layer_span("layer send", channel.as_str());
                return ready_or_ok(layer.send(tenant, &channel, message));
            }
            Effect::GroupAdd(group, channel) => {
                return ready_or_ok(layer.group_add(tenant, &group, &channel));
            }
            Effect::GroupDiscard(group, channel) => {
                return ready_or_ok(layer.group_discard(tenant, &group, &channel));
            }
            Effect::GroupSend(group, message) => {
                let _span = layer_span("layer group send", group.as_str());
                return ready_or_ok(layer.group_send(tenant, &group, message));
            }
            Effect::GroupSendFrame(group, frame) => {
                let _span = layer_span("layer group send frame", group.as_str());
                return ready_or_ok(layer.group_send_frame(tenant, &group, frame));
            }
        }
        Ok(())
    }
}

/// Calls the guest and applies the effects.
pub(super) fn call_and_apply(
    instance: &mut Instance,
    call: Call,
    applier: &EffectApplier<'_>,
) -> CallOutcome {
    let mut outcome = call_instance(instance, call);
    applier.apply(std::mem::take(&mut outcome.effects));
    outcome
}

/// The limit that an error of the layer reports, for errors that the layer does not count itself.
const fn exceeded_limit(error: &LayerError) -> Option<LimitKind> {
    match error {
        LayerError::TooManyGroups { .. } => Some(LimitKind::Groups),
        LayerError::TooManyMemberships { .. } => Some(LimitKind::Memberships),
        _ => None,
    }
}

/// The trace span of a message that is sent to the layer.
fn layer_span(name: &str, to: &str) -> EnteredSpan {
    info_span!(target: TRACE, "layer", otel.name = name, to, otel.kind = "producer").entered()
}

/// The result of an operation that has completed, else `Ok`: the layer completes the operation and counts losses.
fn ready_or_ok(operation: MaybeReady<'_, Result<(), LayerError>>) -> Result<(), LayerError> {
    operation.into_ready().unwrap_or(Ok(()))
}
