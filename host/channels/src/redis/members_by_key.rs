//! Who is in a group, by where their messages are kept.

use std::collections::HashMap;

use redis::Value;

use super::RedisLayerCore;
use super::health::Health;
use super::redis_op::{GroupSend, KeyMessage};
use super::wire::{MAX_ADDRESS_NAMES, WireAddress, WireError};
use crate::Delivery;
use narrowboat_core::name::ProcessId;

/// How much more than another channel's key a key of our own takes: it is one for all channels of a process, each of
/// which has the configured capacity.
const CHANNELS_PER_PROCESS: usize = 100;

/// The members of a group at one time.
pub(super) struct MembersByKey(Vec<KeyMembers>);

/// The members whose messages are kept under one key.
struct KeyMembers {
    prefix: String,
    names: Vec<String>,
}

impl MembersByKey {
    /// What Redis answered; what is no member is counted. None if it told no members.
    pub(super) fn from_reply(core: &RedisLayerCore, key: &str, answer: Value) -> Option<Self> {
        let names = match answer {
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
        let mut places = HashMap::new();
        for name in names {
            match redis::from_redis_value::<String>(name) {
                Ok(name) => members.add_member(&mut places, name),
                Err(error) => core.base.health.record_unexpected_value(key, error),
            }
        }
        Some(members)
    }

    fn add_member(&mut self, places: &mut HashMap<String, usize>, name: String) {
        let place = name.find('!').map_or(&*name, |separator| &name[..=separator]);
        if let Some(&at) = places.get(place) {
            self.0[at].names.push(name);
            return;
        }
        places.insert(place.to_owned(), self.0.len());
        self.0.push(KeyMembers { prefix: place.to_owned(), names: vec![name] });
    }

    /// Adds a message for each key: a frame only for those of our own, which nobody else reads.
    pub(super) fn append_key_messages(
        &self,
        core: &RedisLayerCore,
        send: &GroupSend,
        ready: &mut Vec<KeyMessage>,
    ) {
        for place in &self.0 {
            let names: Vec<_> = place.names.iter().map(String::as_str).collect();
            for names in names.chunks(MAX_ADDRESS_NAMES) {
                match encode_for_key(
                    core,
                    &place.prefix,
                    &send.delivery,
                    WireAddress::Channels(names),
                ) {
                    Ok(Some(wire)) => ready.push(place.key_message(core, send, wire, names.len())),
                    Ok(None) => {}
                    Err(error) => {
                        Health::count(&core.base.health.lost, 1);
                        let group = &send.group;
                        core.base.health.complain(format_args!("not sent to {group}: {error}"));
                        return;
                    }
                }
            }
        }
    }
}

/// The bytes of a delivery for one place, if it is for there.
fn encode_for_key(
    core: &RedisLayerCore,
    place: &str,
    delivery: &Delivery,
    to: WireAddress<'_>,
) -> Result<Option<Vec<u8>>, WireError> {
    match delivery {
        Delivery::Message(message) => core.base.codec.encode(message, to).map(Some),
        Delivery::Frame(frame) if ProcessId::is_narrowboat_channel(place) => {
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
        receivers: usize,
    ) -> KeyMessage {
        let keys = &send.tenant.keys;
        KeyMessage {
            shard: keys.shard(&self.prefix),
            key: keys.messages(&self.prefix),
            at: send.at,
            score: None,
            capacity: key_capacity(core, &self.prefix),
            wire,
            receiver_count: receivers as u64,
            reply: None,
        }
    }
}

/// How many messages the key of a place takes.
pub(super) fn key_capacity(core: &RedisLayerCore, place: &str) -> usize {
    let capacity = core.base.limits.capacity_of(place);
    if ProcessId::is_narrowboat_channel(place) {
        capacity.saturating_mul(CHANNELS_PER_PROCESS)
    } else {
        capacity
    }
}
