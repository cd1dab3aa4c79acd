//! `narrowboat:consumer/channel-layer`.

use super::super::{
    current_instance::{OUTSIDE, with_host},
    effect::Effect,
    layer_names::{check_channel, check_group},
};
pub(crate) use crate::bindings::narrowboat::consumer::channel_layer::LayerError;
use crate::{bindings::narrowboat::consumer::types, message};

type LayerResult = Result<(), LayerError>;

fn push(effect: Effect) -> LayerResult {
    with_host(|host, _| host.effects.push(effect))
        .ok_or_else(|| LayerError::Other(OUTSIDE.to_owned()))
}

fn check_message(message: &[u8]) -> LayerResult {
    message::message_type(message).map(|_| ()).map_err(LayerError::InvalidMessage)
}

pub(crate) fn send(channel: &str, message: &[u8]) -> LayerResult {
    check_channel(channel).map_err(LayerError::InvalidName)?;
    check_message(message)?;
    push(Effect::LayerSend(channel.to_owned(), message.to_owned()))
}

pub(crate) fn group_add(group: &str, channel: &str) -> LayerResult {
    check_group(group).and_then(|()| check_channel(channel)).map_err(LayerError::InvalidName)?;
    push(Effect::GroupAdd(group.to_owned(), channel.to_owned()))
}

pub(crate) fn group_discard(group: &str, channel: &str) -> LayerResult {
    check_group(group).and_then(|()| check_channel(channel)).map_err(LayerError::InvalidName)?;
    push(Effect::GroupDiscard(group.to_owned(), channel.to_owned()))
}

pub(crate) fn group_send(group: &str, message: &[u8]) -> LayerResult {
    check_group(group).map_err(LayerError::InvalidName)?;
    check_message(message)?;
    push(Effect::GroupSend(group.to_owned(), message.to_owned()))
}

pub(crate) fn group_send_frame(group: &str, frame: &types::Frame) -> LayerResult {
    check_group(group).map_err(LayerError::InvalidName)?;
    push(Effect::GroupSendFrame(group.to_owned(), frame.clone().into()))
}
