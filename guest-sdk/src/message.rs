//! Messages of the channel layer: MessagePack maps with a string under `type`.

mod decode_error;
mod raw_value;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, Error as _, value::MapDeserializer},
};

use crate::{channel_layer::ChannelLayerError, error::Error};
use decode_error::DecodeError;
use raw_value::{RawEntry, RawValue};

const TYPE_KEY: &str = "type";

/// The [`Message`](crate::Consumer::Message) of a consumer that expects none. This type is uninhabited: the host
/// ignores and counts every message.
#[derive(Clone, Copy, Debug)]
pub enum NoMessage {}

impl<'de> Deserialize<'de> for NoMessage {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::unknown_variant("", &[]))
    }
}

/// A message, decoded for its consumer.
#[derive(Debug, PartialEq)]
pub(crate) enum DecodedMessage<M> {
    Known(M),
    /// A message of this type, which the consumer's enum lacks.
    Unknown(String),
}

/// Encodes a message as MessagePack in serde's human-readable form, which `decode` expects too. Serde buffers a tagged
/// enum while it looks for the tag, and reads the buffer as human-readable. In this form dates and addresses are text,
/// which other languages understand.
pub(crate) fn encode<M: Serialize + ?Sized>(message: &M) -> Result<Vec<u8>, ChannelLayerError> {
    to_vec(message).map_err(|error| ChannelLayerError::InvalidMessage(error.to_string()))
}

pub(crate) fn to_vec<T: Serialize + ?Sized>(
    value: &T,
) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    // Most states and messages fit, so the buffer does not have to grow.
    let mut bytes = Vec::with_capacity(128);
    value.serialize(
        &mut rmp_serde::Serializer::new(&mut bytes).with_struct_map().with_human_readable(),
    )?;
    Ok(bytes)
}

/// Returns the type of a message. Checks the rules that the host checks: a message is a map, and its `type` is a string
/// that is not empty and does not start with an underscore.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn message_type(bytes: &[u8]) -> Result<String, String> {
    let entries = raw_value::read_entries(bytes).map_err(|error| error.to_string())?;
    let tag = entries.iter().find(|(key, _)| key.to_text().as_deref() == Some(TYPE_KEY));
    let (_, name) = tag.ok_or("the message has no \"type\"")?;
    match name.to_text() {
        None => Err("the \"type\" is not a string".to_owned()),
        Some(name) if name.is_empty() => Err("the \"type\" is empty".to_owned()),
        Some(name) if name.starts_with('_') => Err("the \"type\" starts with '_'".to_owned()),
        Some(name) => Ok(name),
    }
}

/// Finds the value at a path of keys in nested maps, and returns its encoded bytes.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn value_at(bytes: &[u8], path: &[&str]) -> Option<Vec<u8>> {
    let Some((key, path)) = path.split_first() else { return Some(bytes.to_owned()) };
    let entries = raw_value::read_entries(bytes).ok()?;
    let (_, value) = entries.iter().find(|(own, _)| own.to_text().as_deref() == Some(key))?;
    value_at(value.bytes(), path)
}

/// Decodes a message. Fails if the consumer knows the type of the message but the message lacks a field of that type;
/// the error names the field. The error blames the plugin, because the sender was not the client.
pub(crate) fn decode<M: DeserializeOwned>(bytes: &[u8]) -> Result<DecodedMessage<M>, Error> {
    decode_known(bytes)
        .map_or_else(|| decode_entries(bytes), |known| Ok(DecodedMessage::Known(known)))
}

/// Decodes a message in one pass, which is all that most messages need. Returns `None` if that fails, without a reason.
fn decode_known<M: DeserializeOwned>(bytes: &[u8]) -> Option<M> {
    // Serde would read a tagged enum from an array too.
    rmp::decode::read_map_len(&mut &*bytes).ok()?;
    M::deserialize(&mut raw_value::deserializer(bytes)).ok()
}

/// Decodes a message entry by entry, and so finds a type of another spelling and the field at fault.
fn decode_entries<M: DeserializeOwned>(bytes: &[u8]) -> Result<DecodedMessage<M>, Error> {
    let entries = raw_value::read_entries(bytes)?;
    match deserialize_entries::<M>(&entries) {
        Ok(message) => Ok(DecodedMessage::Known(message)),
        Err(error) => decode_with_known_spelling::<M>(&entries, error),
    }
}

fn deserialize_entries<M: DeserializeOwned>(entries: &[RawEntry<'_>]) -> Result<M, DecodeError> {
    M::deserialize(MapDeserializer::new(entries.iter().copied()))
}

/// Decodes the message again with the consumer's spelling of its type, if only the spelling differs. Otherwise
/// describes the error.
fn decode_with_known_spelling<M: DeserializeOwned>(
    entries: &[RawEntry<'_>],
    error: DecodeError,
) -> Result<DecodedMessage<M>, Error> {
    let tag = entries.iter().position(|(key, _)| key.to_text().as_deref() == Some(TYPE_KEY));
    let Some(at) = tag else { return Err(Error::msg("the message has no key \"type\"")) };
    let tag = entries[at];
    let name =
        tag.1.to_text().ok_or_else(|| Error::msg("the \"type\" of the message is not a string"))?;

    let Err(DecodeError::UnknownVariant(_, known)) = deserialize_entries::<M>(&[tag]) else {
        return Err(describe_failure::<M>(entries, tag, &name, &error));
    };
    let Some(known_name) = known.iter().find(|known| has_same_handler(known, &name)) else {
        return Ok(DecodedMessage::Unknown(name));
    };
    let known_name = raw_value::encode_string(known_name)?;
    let mut entries = entries.to_vec();
    entries[at] = (tag.0, RawValue::new(&known_name));
    let tag = entries[at];
    deserialize_entries::<M>(&entries)
        .map(DecodedMessage::Known)
        .map_err(|error| describe_failure::<M>(&entries, tag, &name, &error))
}

/// Whether Django Channels calls the same handler for both types: its `get_handler_name` replaces "." by "_".
fn has_same_handler(one: &str, other: &str) -> bool {
    let name = |byte: u8| if byte == b'.' { b'_' } else { byte };
    one.bytes().map(name).eq(other.bytes().map(name))
}

/// Finds the field at fault. Serde reads a tagged enum through a buffer, so its error does not name the field. This
/// function deserialises the type with one field at a time until one of them fails.
fn describe_failure<M: DeserializeOwned>(
    entries: &[RawEntry<'_>],
    tag: RawEntry<'_>,
    name: &str,
    error: &DecodeError,
) -> Error {
    if let DecodeError::MissingField(field) = error {
        return Error::msg(format_args!("message {name:?} lacks the field {field:?}"));
    }
    for entry in entries.iter().filter(|entry| entry.0 != tag.0) {
        match deserialize_entries::<M>(&[tag, *entry]) {
            Ok(_) | Err(DecodeError::MissingField(_)) => {}
            Err(error) => {
                let field = entry.0.to_text().unwrap_or_default();
                return Error::msg(format_args!("message {name:?}, field {field:?}: {error}"));
            }
        }
    }
    Error::msg(format_args!("message {name:?}: {error}"))
}

#[cfg(test)]
mod tests;
