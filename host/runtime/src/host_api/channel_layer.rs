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
    /// Parses the name of a group and checks that the plugin may reach it.
    fn permitted_group(&self, name: String) -> Result<GroupName, GuestError> {
        let group = GroupName::try_from(name)?;
        match self.ctx.capabilities.allows_group(&group) {
            true => Ok(group),
            false => Err(self.denied_error("groups", group.as_str())),
        }
    }

    /// Parses the name of a channel and checks that the plugin may reach it. Channels of connections are always
    /// allowed: their names cannot be guessed. Adding a channel to a group needs the same permission as sending to it,
    /// because the channel then receives the messages of the group.
    fn permitted_channel(&self, name: String) -> Result<ChannelName, GuestError> {
        let channel = ChannelName::try_from(name)?;
        let VersionContext { capabilities, layer, tenant, .. } = &*self.ctx;
        match capabilities.allows_channel(&channel) || layer.is_unique(tenant, &channel) {
            true => Ok(channel),
            false => Err(self.denied_error("channels", channel.as_str())),
        }
    }

    /// The error of a name that the plugin may not reach. Logged once for each version, because the guest or its
    /// clients may choose the names.
    fn denied_error(&self, key: &str, name: &str) -> GuestError {
        let reason = format!("no pattern of {key} that the manifest requests matches {name:?}");
        let VersionContext { plugin, version, was_denied, .. } = &*self.ctx;
        if !was_denied.swap(true, Ordering::Relaxed) {
            let (plugin, channel) = (&**plugin, self.connections.current_channel());
            tracing::warn!(
                plugin,
                version,
                channel,
                %reason,
                "access denied; further denials are not logged"
            );
        }
        GuestError::Denied(reason)
    }

    fn parse_message(&self, bytes: Vec<u8>) -> Result<Message, GuestError> {
        let limit = self.ctx.limits.max_message_bytes;
        if bytes.len() > limit {
            return Err(GuestError::TooLarge(limit as u64));
        }
        Message::parse(Bytes::from(bytes), limit)
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
        self.check_group_send(len)?;
        let members = self.fan_out(&group);
        Ok(self.effects.push_to_group(Effect::GroupSend(group, message), members, len)?)
    }

    fn layer_group_frame(&mut self, group: String, frame: GuestFrame) -> Result<(), GuestError> {
        let group = self.permitted_group(group)?;
        let frame = Frame::from(frame);
        let (len, limit) = (frame.len(), self.ctx.limits.max_message_bytes);
        if len > limit {
            return Err(GuestError::TooLarge(limit as u64));
        }
        self.check_group_send(len)?;
        let members = self.fan_out(&group);
        Ok(self.effects.push_to_group(Effect::GroupSendFrame(group, frame), members, len)?)
    }

    fn check_group_send(&self, len: usize) -> Result<(), LayerError> {
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
