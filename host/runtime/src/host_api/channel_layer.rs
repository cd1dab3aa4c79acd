//! `narrowboat:consumer/channel-layer`: messages between consumers.

use std::sync::atomic::Ordering;

use bytes::Bytes;

use crate::bindings::narrowboat::consumer::channel_layer::{
    Frame as GuestFrame, Host, LayerError as GuestError,
};
use crate::effects::{Effect, EffectLimitExceeded};
use crate::store::{GuestState, VersionContext};
use narrowboat_channels::LayerError;
use narrowboat_core::frame::Frame;
use narrowboat_core::message::Message;
use narrowboat_core::name::{ChannelName, GroupName, NameError};

type WitLayerResult = wasmtime::Result<Result<(), GuestError>>;

impl From<LayerError> for GuestError {
    fn from(error: LayerError) -> Self {
        let text = error.to_string();
        match error {
            LayerError::ChannelFull { .. } => Self::ChannelFull(text),
            LayerError::InvalidName(_) => Self::InvalidName(text),
            LayerError::InvalidMessage(_) => Self::InvalidMessage(text),
            LayerError::TooLarge { limit, .. } => Self::TooLarge(limit as u64),
            LayerError::Denied { reason } => Self::Denied(reason),
            LayerError::Unavailable { .. } => Self::Unavailable(text),
            _ => Self::Other(text),
        }
    }
}

impl From<NameError> for GuestError {
    fn from(error: NameError) -> Self {
        Self::InvalidName(error.to_string())
    }
}

impl From<EffectLimitExceeded> for GuestError {
    fn from(_: EffectLimitExceeded) -> Self {
        Self::Other(EffectLimitExceeded::TEXT.to_owned())
    }
}

impl GuestState {
    /// A group that the plugin may reach.
    fn permitted_group(&self, name: String) -> Result<GroupName, GuestError> {
        let group = GroupName::try_from(name)?;
        match self.ctx.capabilities.allows_group(&group) {
            true => Ok(group),
            false => Err(self.denied_error("groups", group.as_str())),
        }
    }

    /// A channel that the plugin may reach: that of a connection always, since nobody knows its name who was not told. As
    /// a member of a group it gets what the group does, so that leave to send to it is needed there too.
    fn permitted_channel(&self, name: String) -> Result<ChannelName, GuestError> {
        let channel = ChannelName::try_from(name)?;
        let VersionContext { capabilities: asks, layer, tenant, .. } = &*self.ctx;
        match asks.allows_channel(&channel) || layer.is_unique(tenant, &channel) {
            true => Ok(channel),
            false => Err(self.denied_error("channels", channel.as_str())),
        }
    }

    /// The log is told once a version: names may be the guest's own words, or come from clients.
    fn denied_error(&self, key: &str, name: &str) -> GuestError {
        let why = format!("no pattern of {key} that the manifest requests matches {name:?}");
        let VersionContext { plugin, version, was_denied, .. } = &*self.ctx;
        if !was_denied.swap(true, Ordering::Relaxed) {
            let (plugin, channel) = (&**plugin, self.connections.current_channel());
            tracing::warn!(plugin, version, channel, "denied, and told this once: {why}");
        }
        GuestError::Denied(why)
    }

    fn parse_message(&self, bytes: Vec<u8>) -> Result<Message, GuestError> {
        let most = self.ctx.limits.max_message_bytes;
        if bytes.len() > most {
            return Err(GuestError::TooLarge(most as u64));
        }
        Message::parse(Bytes::from(bytes), most)
            .map_err(|error| GuestError::InvalidMessage(error.to_string()))
    }

    fn layer_send(&mut self, channel: String, message: Vec<u8>) -> Result<(), GuestError> {
        let channel = self.permitted_channel(channel)?;
        let message = self.parse_message(message)?;
        let pending = self.effects.pending_for(&channel);
        let len = message.len();
        self.ctx.layer.check_send(&self.ctx.tenant, &channel, pending, len)?;
        Ok(self.effects.push(Effect::LayerSend(channel, message), len)?)
    }

    fn layer_group_send(&mut self, group: String, message: Vec<u8>) -> Result<(), GuestError> {
        let group = self.permitted_group(group)?;
        let message = self.parse_message(message)?;
        let len = message.len();
        self.probe_group(len)?;
        let members = self.fan_out(&group);
        Ok(self.effects.push_to_group(Effect::GroupSend(group, message), members, len)?)
    }

    fn layer_group_frame(&mut self, group: String, frame: GuestFrame) -> Result<(), GuestError> {
        let group = self.permitted_group(group)?;
        let frame = Frame::from(frame);
        let (len, most) = (frame.len(), self.ctx.limits.max_message_bytes);
        if len > most {
            return Err(GuestError::TooLarge(most as u64));
        }
        self.probe_group(len)?;
        let members = self.fan_out(&group);
        Ok(self.effects.push_to_group(Effect::GroupSendFrame(group, frame), members, len)?)
    }

    fn probe_group(&self, len: usize) -> Result<(), LayerError> {
        let pending = self.effects.pending_for_groups();
        self.ctx.layer.check_group_send(&self.ctx.tenant, pending, len)
    }

    fn fan_out(&self, group: &GroupName) -> usize {
        self.ctx.layer.fan_out(&self.ctx.tenant, group)
    }

    fn push_membership(
        &mut self,
        group: String,
        channel: String,
        effect: fn(GroupName, ChannelName) -> Effect,
    ) -> Result<(), GuestError> {
        let effect = effect(self.permitted_group(group)?, self.permitted_channel(channel)?);
        Ok(self.effects.push(effect, 0)?)
    }
}

impl Host for GuestState {
    fn send(&mut self, channel: String, message: Vec<u8>) -> WitLayerResult {
        Ok(self.layer_send(channel, message))
    }

    fn group_add(&mut self, group: String, channel: String) -> WitLayerResult {
        Ok(self.push_membership(group, channel, Effect::GroupAdd))
    }

    fn group_discard(&mut self, group: String, channel: String) -> WitLayerResult {
        Ok(self.push_membership(group, channel, Effect::GroupDiscard))
    }

    fn group_send(&mut self, group: String, message: Vec<u8>) -> WitLayerResult {
        Ok(self.layer_group_send(group, message))
    }

    fn group_send_frame(&mut self, group: String, frame: GuestFrame) -> WitLayerResult {
        Ok(self.layer_group_frame(group, frame))
    }
}
