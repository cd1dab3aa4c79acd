//! Who is in a group, by where their messages are kept.

use std::collections::HashMap;

use redis::Value;

use super::Core;
use super::health::Health;
use super::op::{GroupSend, Put};
use super::wire::{MAX_NAMES, To, WireError};
use crate::Delivery;
use narrowboat_core::name::ProcessId;

/// How much more than another channel's key a key of our own takes: it is one for all channels of a process, each of
/// which has the configured capacity.
const CHANNELS_A_PROCESS: usize = 100;

/// The members of a group at one time.
pub(super) struct Members(Vec<Place>);

/// The members whose messages are kept under one key.
struct Place {
    place: String,
    names: Vec<String>,
}

impl Members {
    /// What Redis answered; what is no member is counted. None if it told no members.
    pub(super) fn read(core: &Core, key: &str, answer: Value) -> Option<Self> {
        let names = match answer {
            Value::Array(names) => names,
            Value::ServerError(error) => {
                core.refused(&format!("the members of {key}"), &error);
                return None;
            }
            other => {
                core.base.health.note_foreign(key, format_args!("{other:?}"));
                return None;
            }
        };
        let mut members = Self(Vec::new());
        let mut places = HashMap::new();
        for name in names {
            match redis::from_redis_value::<String>(name) {
                Ok(name) => members.add(&mut places, name),
                Err(error) => core.base.health.note_foreign(key, error),
            }
        }
        Some(members)
    }

    fn add(&mut self, places: &mut HashMap<String, usize>, name: String) {
        let place = name.find('!').map_or(&*name, |separator| &name[..=separator]);
        if let Some(&at) = places.get(place) {
            self.0[at].names.push(name);
            return;
        }
        places.insert(place.to_owned(), self.0.len());
        self.0.push(Place { place: place.to_owned(), names: vec![name] });
    }

    /// Adds a message for each key: a frame only for those of our own, which nobody else reads.
    pub(super) fn address(&self, core: &Core, send: &GroupSend, ready: &mut Vec<Put>) {
        for place in &self.0 {
            let names: Vec<_> = place.names.iter().map(String::as_str).collect();
            for names in names.chunks(MAX_NAMES) {
                match wire(core, &place.place, &send.delivery, To::Channels(names)) {
                    Ok(Some(wire)) => ready.push(place.put(core, send, wire, names.len())),
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
fn wire(
    core: &Core,
    place: &str,
    delivery: &Delivery,
    to: To<'_>,
) -> Result<Option<Vec<u8>>, WireError> {
    match delivery {
        Delivery::Message(message) => core.base.codec.encode(message, to).map(Some),
        Delivery::Frame(frame) if ProcessId::is_ours(place) => {
            Ok(Some(core.base.codec.encode_frame(frame, to)))
        }
        Delivery::Frame(_) => Ok(None),
    }
}

impl Place {
    fn put(&self, core: &Core, send: &GroupSend, wire: Vec<u8>, receivers: usize) -> Put {
        let keys = &send.world.keys;
        Put {
            shard: keys.shard(&self.place),
            key: keys.messages(&self.place),
            at: send.at,
            score: None,
            capacity: capacity(core, &self.place),
            wire,
            receivers: receivers as u64,
            reply: None,
        }
    }
}

/// How many messages the key of a place takes.
pub(super) fn capacity(core: &Core, place: &str) -> usize {
    let capacity = core.base.limits.capacity_of(place);
    if ProcessId::is_ours(place) { capacity.saturating_mul(CHANNELS_A_PROCESS) } else { capacity }
}
