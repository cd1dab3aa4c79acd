//! The results of putting messages into keys.

use redis::Value;

use super::redis_layer_core::RedisLayerCore;
use super::redis_op::KeyMessage;
use crate::LayerError;
use crate::redis_common::LayerHealth;

/// Sends the results of a call of [`PUT_MESSAGES`](super::scripts::PUT_MESSAGES) to the callers. Counts the messages
/// that Redis did not accept as dropped or lost.
pub(super) fn report_put_results(core: &RedisLayerCore, messages: Vec<KeyMessage>, reply: Value) {
    let refused: Vec<i64> = match reply {
        Value::Array(positions) => positions
            .into_iter()
            .filter_map(|position| redis::from_redis_value(position).ok())
            .collect(),
        Value::ServerError(error) => {
            core.report_refused("messages", &error);
            let reason = format!("Redis refused the message: {}", error.code());
            return report_all_lost(core, messages, &reason);
        }
        _ => Vec::new(),
    };
    for (message, position) in messages.into_iter().zip(1..) {
        let result = if refused.contains(&-position) {
            report_wrong_type(core, &message)
        } else if refused.contains(&position) {
            report_full(core, &message)
        } else {
            Ok(())
        };
        if let Some((_, reply)) = message.reply {
            let _ = reply.send(result);
        }
    }
}

fn report_all_lost(core: &RedisLayerCore, messages: Vec<KeyMessage>, reason: &str) {
    LayerHealth::add_to_counter(&core.base.health.lost, messages.len() as u64);
    for (_, reply) in messages.into_iter().filter_map(|message| message.reply) {
        let _ = reply.send(Err(LayerError::Unavailable { reason: reason.to_owned() }));
    }
}

fn report_wrong_type(core: &RedisLayerCore, message: &KeyMessage) -> Result<(), LayerError> {
    LayerHealth::add_to_counter(&core.base.health.lost, 1);
    let reason = format!("{} holds something else than messages", message.key);
    core.base.health.warn_throttled(&reason);
    Err(LayerError::Unavailable { reason })
}

fn report_full(core: &RedisLayerCore, message: &KeyMessage) -> Result<(), LayerError> {
    LayerHealth::add_to_counter(&core.base.health.dropped, message.receiver_count);
    message
        .reply
        .as_ref()
        .map_or(Ok(()), |(channel, _)| Err(LayerError::ChannelFull { channel: channel.clone() }))
}
