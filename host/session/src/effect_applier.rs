//! Doing what a guest asked for, in its order, after its call.

use std::time::Instant;

use tracing::info_span;
use tracing::span::EnteredSpan;

use narrowboat_channels::{ChannelLayer, LayerError, MaybeReady};
use narrowboat_core::log_target::TRACE;
use narrowboat_quota::LimitKind;
use narrowboat_runtime::{Effect, Plugin};

/// Where effects go.
#[derive(Clone, Copy)]
pub(super) struct EffectApplier<'a> {
    pub(super) plugin: &'a Plugin,
    pub(super) layer: &'a dyn ChannelLayer,
}

impl EffectApplier<'_> {
    /// Applies the effects of one call. What cannot be done any more, since a socket closed or a
    /// channel filled after the guest was told otherwise, is dropped: delivery is at most once.
    /// Nothing here waits for a layer that is elsewhere.
    pub(super) fn apply(&self, effects: Vec<Effect>) {
        let allowance = &self.plugin.quota;
        let began = allowance.has_cpu_limit().then(Instant::now);
        for effect in effects {
            if let Err(error) = self.apply_one(effect) {
                if let Some(bound) = exceeded_limit(&error) {
                    allowance.record_limit_hit(bound);
                }
                tracing::debug!(plugin = &*self.plugin.label, "dropped after the call: {error}");
            }
        }
        // What a guest has done for it is its own running time, too.
        if let Some(began) = began {
            allowance.record_cpu_time(began.elapsed());
        }
    }

    fn apply_one(&self, effect: Effect) -> Result<(), LayerError> {
        let Self { plugin, layer } = *self;
        let tenant = &plugin.tenant;
        match effect {
            Effect::Send(link, frame) => {
                link.push(frame);
                Ok(())
            }
            Effect::SendMany(links, frame) => {
                for link in links {
                    link.push(frame.clone());
                }
                Ok(())
            }
            Effect::Close(link, closure) => {
                link.outbound.close(closure);
                Ok(())
            }
            Effect::Fail(link, fault) => {
                let version = plugin.live_version().digest().short_hex();
                fault.log(&plugin.label, link.channel.as_str(), &version);
                link.outbound.fail(fault);
                Ok(())
            }
            Effect::Overflow(link) => {
                link.outbound.fail_stalled();
                Ok(())
            }
            Effect::SetTimer(link, id, delay) => {
                link.set_timer(id, delay);
                Ok(())
            }
            Effect::ClearTimer(link, id) => {
                link.timers.clear(id);
                Ok(())
            }
            Effect::LayerSend(channel, message) => {
                let _span = layer_span("layer send", channel.as_str());
                ready_or_ok(layer.send(tenant, &channel, message))
            }
            Effect::GroupAdd(group, channel) => {
                ready_or_ok(layer.group_add(tenant, &group, &channel))
            }
            Effect::GroupDiscard(group, channel) => {
                ready_or_ok(layer.group_discard(tenant, &group, &channel))
            }
            Effect::GroupSend(group, message) => {
                let _span = layer_span("layer group send", group.as_str());
                ready_or_ok(layer.group_send(tenant, &group, message))
            }
            Effect::GroupSendFrame(group, frame) => {
                let _span = layer_span("layer group send frame", group.as_str());
                ready_or_ok(layer.group_send_frame(tenant, &group, frame))
            }
        }
    }
}

/// The limit that an operation on the layer came to, where the layer itself does not count that.
const fn exceeded_limit(error: &LayerError) -> Option<LimitKind> {
    match error {
        LayerError::TooManyGroups { .. } => Some(LimitKind::Groups),
        LayerError::TooManyMemberships { .. } => Some(LimitKind::Memberships),
        _ => None,
    }
}

/// What a trace shows of a message on its way into the layer.
fn layer_span(what: &str, to: &str) -> EnteredSpan {
    info_span!(target: TRACE, "layer", otel.name = what, to, otel.kind = "producer").entered()
}

/// What is known of an operation by now; the layer goes on with it either way, and counts what is lost.
fn ready_or_ok(answer: MaybeReady<'_, Result<(), LayerError>>) -> Result<(), LayerError> {
    answer.into_ready().unwrap_or(Ok(()))
}
