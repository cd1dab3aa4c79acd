//! Doing what a guest asked for, in its order, after its call.

use std::time::Instant;

use tracing::info_span;
use tracing::span::EnteredSpan;

use narrowboat_channels::{Answer, ChannelLayer, LayerError};
use narrowboat_core::log_target::TRACE;
use narrowboat_quota::Bound;
use narrowboat_runtime::{Effect, Plugin};

/// Where effects go.
#[derive(Clone, Copy)]
pub(super) struct Outlet<'a> {
    pub(super) plugin: &'a Plugin,
    pub(super) layer: &'a dyn ChannelLayer,
}

impl Outlet<'_> {
    /// Applies the effects of one call. What cannot be done any more, since a socket closed or a
    /// channel filled after the guest was told otherwise, is dropped: delivery is at most once.
    /// Nothing here waits for a layer that is elsewhere.
    pub(super) fn apply(&self, effects: Vec<Effect>) {
        let allowance = &self.plugin.allowance;
        let began = allowance.bounds_time().then(Instant::now);
        for effect in effects {
            if let Err(error) = self.apply_one(effect) {
                if let Some(bound) = bound_of(&error) {
                    allowance.note(bound);
                }
                tracing::debug!(plugin = &*self.plugin.label, "dropped after the call: {error}");
            }
        }
        // What a guest has done for it is its own running time, too.
        if let Some(began) = began {
            allowance.run(began.elapsed());
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
                let version = plugin.live().digest().short();
                fault.log(&plugin.label, link.channel.as_str(), &version);
                link.outbound.fail(fault);
                Ok(())
            }
            Effect::Overflow(link) => {
                link.outbound.overflow();
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
                let _span = hop("layer send", channel.as_str());
                known(layer.send(tenant, &channel, message))
            }
            Effect::GroupAdd(group, channel) => known(layer.group_add(tenant, &group, &channel)),
            Effect::GroupDiscard(group, channel) => {
                known(layer.group_discard(tenant, &group, &channel))
            }
            Effect::GroupSend(group, message) => {
                let _span = hop("layer group send", group.as_str());
                known(layer.group_send(tenant, &group, message))
            }
            Effect::GroupSendFrame(group, frame) => {
                let _span = hop("layer group send frame", group.as_str());
                known(layer.group_send_frame(tenant, &group, frame))
            }
        }
    }
}

/// The limit that an operation on the layer came to, where the layer itself does not count that.
const fn bound_of(error: &LayerError) -> Option<Bound> {
    match error {
        LayerError::TooManyGroups { .. } => Some(Bound::Groups),
        LayerError::TooManyMemberships { .. } => Some(Bound::Memberships),
        _ => None,
    }
}

/// What a trace shows of a message on its way into the layer.
fn hop(what: &str, to: &str) -> EnteredSpan {
    info_span!(target: TRACE, "layer", otel.name = what, to, otel.kind = "producer").entered()
}

/// What is known of an operation by now; the layer goes on with it either way, and counts what is lost.
fn known(answer: Answer<'_, Result<(), LayerError>>) -> Result<(), LayerError> {
    answer.into_ready().unwrap_or(Ok(()))
}
