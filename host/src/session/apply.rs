//! Doing what a guest asked for, in its order, after its call.

use crate::layer::{ChannelLayer, LayerError};
use crate::name::Tenant;
use crate::plugin::Effect;

/// Where effects go.
#[derive(Clone, Copy)]
pub(super) struct Outlet<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) layer: &'a dyn ChannelLayer,
    /// For the log.
    pub(super) plugin: &'a str,
}

impl Outlet<'_> {
    /// Applies the effects of one call. What cannot be done any more, since a socket closed or a
    /// channel filled after the guest was told otherwise, is dropped: delivery is at most once.
    pub(super) async fn apply(&self, effects: Vec<Effect>) {
        for effect in effects {
            if let Err(error) = self.apply_one(effect).await {
                tracing::debug!(plugin = self.plugin, "dropped after the call: {error}");
            }
        }
    }

    async fn apply_one(&self, effect: Effect) -> Result<(), LayerError> {
        let Self { tenant, layer, .. } = *self;
        match effect {
            Effect::Send(link, frame) => {
                let _ = link.outbound.push(frame);
            }
            Effect::SendMany(links, frame) => {
                for link in links {
                    let _ = link.outbound.push(frame.clone());
                }
            }
            Effect::Close(link, closure) => link.outbound.close(closure),
            Effect::Fail(link, fault) => {
                fault.log(self.plugin, link.channel.as_str());
                link.outbound.fail(fault);
            }
            Effect::Overflow(link) => link.outbound.overflow(),
            Effect::SetTimer(link, id, delay) => link.timers.set(id, delay),
            Effect::ClearTimer(link, id) => link.timers.clear(id),
            Effect::LayerSend(channel, message) => layer.send(tenant, &channel, message).await?,
            Effect::GroupAdd(group, channel) => layer.group_add(tenant, &group, &channel).await?,
            Effect::GroupDiscard(group, channel) => {
                layer.group_discard(tenant, &group, &channel).await?;
            }
            Effect::GroupSend(group, message) => layer.group_send(tenant, &group, message).await?,
            Effect::GroupSendFrame(group, frame) => {
                layer.group_send_frame(tenant, &group, frame).await?;
            }
        }
        Ok(())
    }
}
