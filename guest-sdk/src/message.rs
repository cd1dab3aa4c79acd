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

/// The [`Message`](crate::Consumer::Message) of a consumer that expects none: whatever arrives is
/// ignored.
#[derive(Clone, Copy, Debug)]
pub enum NoMessage {}

impl<'de> Deserialize<'de> for NoMessage {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::unknown_variant("", &[]))
    }
}

/// A message as its consumer sees it.
#[derive(Debug, PartialEq)]
pub(crate) enum DecodedMessage<M> {
    Known(M),
    /// Of this type, which the consumer's enum does not have.
    Unknown(String),
}

/// Human-readable, here and in `decode`, since what serde buffers to look for the tag is read back
/// as such; and a date or an address then is text, which other languages understand.
pub(crate) fn encode<M: Serialize + ?Sized>(message: &M) -> Result<Vec<u8>, ChannelLayerError> {
    to_vec(message).map_err(|error| ChannelLayerError::InvalidMessage(error.to_string()))
}

pub(crate) fn to_vec<T: Serialize + ?Sized>(
    value: &T,
) -> Result<Vec<u8>, rmp_serde::encode::Error> {
    // Most states and messages fit, so that the buffer does not grow in steps.
    let mut bytes = Vec::with_capacity(128);
    value.serialize(
        &mut rmp_serde::Serializer::new(&mut bytes).with_struct_map().with_human_readable(),
    )?;
    Ok(bytes)
}

/// Fails when the message is of a type that the consumer knows but does not have its fields; the
/// error names the field. The error blames the plugin, because the sender was not the client.
pub(crate) fn decode<M: DeserializeOwned>(bytes: &[u8]) -> Result<DecodedMessage<M>, Error> {
    let entries = raw_value::read_entries(bytes)?;
    match deserialize_entries::<M>(&entries) {
        Ok(message) => Ok(DecodedMessage::Known(message)),
        Err(problem) => decode_with_known_spelling::<M>(&entries, problem),
    }
}

fn deserialize_entries<M: DeserializeOwned>(entries: &[RawEntry<'_>]) -> Result<M, DecodeError> {
    M::deserialize(MapDeserializer::new(entries.iter().copied()))
}

/// Reads the message again with the consumer's spelling of its type, if only the spelling differs; else explains the
/// problem.
fn decode_with_known_spelling<M: DeserializeOwned>(
    entries: &[RawEntry<'_>],
    problem: DecodeError,
) -> Result<DecodedMessage<M>, Error> {
    let tag = entries.iter().position(|(key, _)| key.to_text().as_deref() == Some(TYPE_KEY));
    let Some(at) = tag else { return Err(Error::msg("a message without a type")) };
    let tag = entries[at];
    let name = tag.1.to_text().ok_or_else(|| Error::msg("a message whose type is no string"))?;

    let Err(DecodeError::UnknownVariant(_, known)) = deserialize_entries::<M>(&[tag]) else {
        return Err(describe_failure::<M>(entries, tag, &name, &problem));
    };
    let Some(same) = known.iter().find(|known| has_same_handler(known, &name)) else {
        return Ok(DecodedMessage::Unknown(name));
    };
    let same = raw_value::encode_string(same)?;
    let mut entries = entries.to_vec();
    entries[at] = (tag.0, RawValue::new(&same));
    let tag = entries[at];
    deserialize_entries::<M>(&entries)
        .map(DecodedMessage::Known)
        .map_err(|problem| describe_failure::<M>(&entries, tag, &name, &problem))
}

/// Whether Django Channels calls the same handler for both types: its `get_handler_name` replaces "." by "_".
fn has_same_handler(one: &str, other: &str) -> bool {
    let name = |byte: u8| if byte == b'.' { b'_' } else { byte };
    one.bytes().map(name).eq(other.bytes().map(name))
}

/// Serde reads a tagged enum through a buffer and so cannot say where in the message it failed. It
/// is asked again with less of the message until it fails for one reason only: the type and each
/// field by itself.
fn describe_failure<M: DeserializeOwned>(
    entries: &[RawEntry<'_>],
    tag: RawEntry<'_>,
    name: &str,
    problem: &DecodeError,
) -> Error {
    if let DecodeError::MissingField(field) = problem {
        return Error::msg(format_args!("message {name:?} lacks the field {field:?}"));
    }
    for entry in entries.iter().filter(|entry| entry.0 != tag.0) {
        match deserialize_entries::<M>(&[tag, *entry]) {
            Ok(_) | Err(DecodeError::MissingField(_)) => {}
            Err(problem) => {
                let field = entry.0.to_text().unwrap_or_default();
                return Error::msg(format_args!("message {name:?}, field {field:?}: {problem}"));
            }
        }
    }
    Error::msg(format_args!("message {name:?}: {problem}"))
}

#[cfg(test)]
mod tests;
