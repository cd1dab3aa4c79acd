//! The channel layer.

use rquickjs::prelude::Func;
use rquickjs::{Ctx, Exception, Object, Result, Value};

use super::values::{Frame, Text, text_of};
use crate::bindings::narrowboat::consumer::channel_layer::{self, LayerError};
use crate::message_pack;

pub fn add_to<'js>(natives: &Object<'js>) -> Result<()> {
    natives.set("layerSend", Func::from(send))?;
    natives.set("groupAdd", Func::from(group_add))?;
    natives.set("groupDiscard", Func::from(group_discard))?;
    natives.set("groupSend", Func::from(group_send))?;
    natives.set("groupSendFrame", Func::from(group_send_frame))?;
    Ok(())
}

fn send<'js>(ctx: Ctx<'js>, channel: Text, message: Value<'js>) -> Result<()> {
    let message = message_pack::pack(&ctx, &message, text_of)?;
    check(&ctx, channel_layer::send(&channel.0, &message))
}

fn group_add(ctx: Ctx<'_>, group: Text, channel: Text) -> Result<()> {
    check(&ctx, channel_layer::group_add(&group.0, &channel.0))
}

fn group_discard(ctx: Ctx<'_>, group: Text, channel: Text) -> Result<()> {
    check(&ctx, channel_layer::group_discard(&group.0, &channel.0))
}

fn group_send<'js>(ctx: Ctx<'js>, group: Text, message: Value<'js>) -> Result<()> {
    let message = message_pack::pack(&ctx, &message, text_of)?;
    check(&ctx, channel_layer::group_send(&group.0, &message))
}

fn group_send_frame(ctx: Ctx<'_>, group: Text, frame: Frame) -> Result<()> {
    check(&ctx, channel_layer::group_send_frame(&group.0, &frame.0))
}

/// Throws the error of the channel layer.
fn check(ctx: &Ctx<'_>, result: std::result::Result<(), LayerError>) -> Result<()> {
    let (name, message) = match result {
        Ok(()) => return Ok(()),
        Err(LayerError::ChannelFull(text)) => ("ChannelFull", text),
        Err(LayerError::InvalidName(text)) => return Err(Exception::throw_type(ctx, &text)),
        Err(LayerError::InvalidMessage(text)) => return Err(Exception::throw_type(ctx, &text)),
        Err(LayerError::TooLarge(most)) => {
            ("MessageTooLarge", format!("the message has more than {most} bytes"))
        }
        Err(LayerError::Denied(text)) => ("Denied", text),
        Err(LayerError::Unavailable(text)) => ("Unavailable", text),
        Err(LayerError::Other(text)) => ("Error", text),
    };
    let error = Exception::from_message(ctx.clone(), &message)?;
    error.as_object().set("name", name)?;
    Err(error.throw())
}
