//! The members of a group, by the keys of their messages.

use std::collections::HashMap;

use redis::Value;

use super::redis_layer_core::RedisLayerCore;
use super::redis_op::{GroupSend, KeyMessage};
use crate::Delivery;
use crate::redis_common::{LayerHealth, MAX_ADDRESS_NAMES, WireAddress, WireError};
use narrowboat_core::name::ProcessId;

/// The capacity of a Narrowboat process's key, in multiples of a channel's capacity. The key is for all channels of the
/// process.
const CHANNELS_PER_PROCESS: usize = 100;

/// The members of a group at one time, by the keys of their messages.
pub(super) struct MembersByKey(Vec<KeyMembers>);

/// The members whose messages have the same key.
struct KeyMembers {
    prefix: String,
    names: Vec<String>,
}

impl MembersByKey {
    /// Parses the reply to `ZRANGE`. Counts values that are not members. Returns `None` if the reply is an error.
    pub(super) fn from_reply(core: &RedisLayerCore, key: &str, reply: Value) -> Option<Self> {
        let names = match reply {
            Value::Array(names) => names,
            Value::ServerError(error) => {
                core.report_refused(&format!("the members of {key}"), &error);
                return None;
            }
            other => {
                core.base.health.record_unexpected_value(key, format_args!("{other:?}"));
                return None;
            }
        };
        let mut members = Self(Vec::new());
        let mut indices = HashMap::new();
        for name in names {
            match redis::from_redis_value::<String>(name) {
                Ok(name) => members.add_member(&mut indices, name),
                Err(error) => core.base.health.record_unexpected_value(key, error),
            }
        }
        Some(members)
    }

    fn add_member(&mut self, indices: &mut HashMap<String, usize>, name: String) {
        let prefix = name.find('!').map_or(&*name, |separator| &name[..=separator]);
        if let Some(&index) = indices.get(prefix) {
            self.0[index].names.push(name);
            return;
        }
        indices.insert(prefix.to_owned(), self.0.len());
        self.0.push(KeyMembers { prefix: prefix.to_owned(), names: vec![name] });
    }

    /// Adds a message for each key to `ready`. A frame goes only to keys of Narrowboat's processes.
    pub(super) fn append_key_messages(
        &self,
        core: &RedisLayerCore,
        send: &GroupSend,
        ready: &mut Vec<KeyMessage>,
    ) {
        for members in &self.0 {
            let names: Vec<_> = members.names.iter().map(String::as_str).collect();
            for names in names.chunks(MAX_ADDRESS_NAMES) {
                let address = WireAddress::Channels(names);
                match encode_for_key(core, &members.prefix, &send.delivery, address) {
                    Ok(Some(wire)) => {
                        ready.push(members.key_message(core, send, wire, names.len()));
                    }
                    Ok(None) => {}
                    Err(error) => {
                        LayerHealth::add_to_counter(&core.base.health.lost, 1);
                        let group = &send.group;
                        core.base.health.warn_throttled(format_args!(
                            "message to group {group} not sent: {error}"
                        ));
                        return;
                    }
                }
            }
        }
    }
}

/// Encodes a delivery for the channels with a prefix. Returns `None` for a frame to another program's channel.
fn encode_for_key(
    core: &RedisLayerCore,
    prefix: &str,
    delivery: &Delivery,
    to: WireAddress<'_>,
) -> Result<Option<Vec<u8>>, WireError> {
    match delivery {
        Delivery::Message(message) => core.base.codec.encode(message, to).map(Some),
        Delivery::Frame(frame) if ProcessId::is_narrowboat_channel(prefix) => {
            Ok(Some(core.base.codec.encode_frame(frame, to)))
        }
        Delivery::Frame(_) => Ok(None),
    }
}

impl KeyMembers {
    fn key_message(
        &self,
        core: &RedisLayerCore,
        send: &GroupSend,
        wire: Vec<u8>,
        receiver_count: usize,
    ) -> KeyMessage {
        let keys = &send.tenant.keys;
        KeyMessage {
            shard: keys.shard_of(&self.prefix),
            key: keys.message_key(&self.prefix),
            sent_at: send.sent_at,
            score: None,
            capacity: key_capacity(core, &self.prefix),
            wire,
            receiver_count: receiver_count as u64,
            reply: None,
        }
    }
}

/// Returns the capacity in messages of the key for a channel prefix.
pub(super) fn key_capacity(core: &RedisLayerCore, prefix: &str) -> usize {
    let capacity = core.base.limits.capacity_of(prefix);
    if ProcessId::is_narrowboat_channel(prefix) {
        capacity.saturating_mul(CHANNELS_PER_PROCESS)
    } else {
        capacity
    }
}
