//! Messages of the channel layer: MessagePack maps with a string under `type`.

mod problem;
mod raw;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, Error as _, value::MapDeserializer},
};

use crate::{error::Error, layer::LayerError};
use problem::Problem;
use raw::{Entry, Raw};

const TYPE: &str = "type";

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
pub(crate) enum Incoming<M> {
    Known(M),
    /// Of this type, which the consumer's enum does not have.
    Unknown(String),
}

/// Human-readable, here and in `decode`, since what serde buffers to look for the tag is read back
/// as such; and a date or an address then is text, which other languages understand.
pub(crate) fn encode<M: Serialize + ?Sized>(message: &M) -> Result<Vec<u8>, LayerError> {
    to_vec(message).map_err(|error| LayerError::InvalidMessage(error.to_string()))
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
pub(crate) fn decode<M: DeserializeOwned>(bytes: &[u8]) -> Result<Incoming<M>, Error> {
    let entries = raw::entries(bytes)?;
    match parse::<M>(&entries) {
        Ok(message) => Ok(Incoming::Known(message)),
        Err(problem) => retry::<M>(&entries, problem),
    }
}

fn parse<M: DeserializeOwned>(entries: &[Entry<'_>]) -> Result<M, Problem> {
    M::deserialize(MapDeserializer::new(entries.iter().copied()))
}

/// Reads the message again with the consumer's spelling of its type, if only the spelling differs; else explains the
/// problem.
fn retry<M: DeserializeOwned>(
    entries: &[Entry<'_>],
    problem: Problem,
) -> Result<Incoming<M>, Error> {
    let tag = entries.iter().position(|(key, _)| key.text().as_deref() == Some(TYPE));
    let Some(at) = tag else { return Err(Error::msg("a message without a type")) };
    let tag = entries[at];
    let name = tag.1.text().ok_or_else(|| Error::msg("a message whose type is no string"))?;

    let Err(Problem::UnknownVariant(_, known)) = parse::<M>(&[tag]) else {
        return Err(explain::<M>(entries, tag, &name, &problem));
    };
    let Some(same) = known.iter().find(|known| is_same_type(known, &name)) else {
        return Ok(Incoming::Unknown(name));
    };
    let same = raw::string(same)?;
    let mut entries = entries.to_vec();
    entries[at] = (tag.0, Raw::new(&same));
    let tag = entries[at];
    parse::<M>(&entries)
        .map(Incoming::Known)
        .map_err(|problem| explain::<M>(&entries, tag, &name, &problem))
}

/// Whether Django Channels calls the same handler for both types: its `get_handler_name` replaces "." by "_".
fn is_same_type(one: &str, other: &str) -> bool {
    let name = |byte: u8| if byte == b'.' { b'_' } else { byte };
    one.bytes().map(name).eq(other.bytes().map(name))
}

/// Serde reads a tagged enum through a buffer and so cannot say where in the message it failed. It
/// is asked again with less of the message until it fails for one reason only: the type and each
/// field by itself.
fn explain<M: DeserializeOwned>(
    entries: &[Entry<'_>],
    tag: Entry<'_>,
    name: &str,
    problem: &Problem,
) -> Error {
    if let Problem::MissingField(field) = problem {
        return Error::msg(format_args!("message {name:?} lacks the field {field:?}"));
    }
    for entry in entries.iter().filter(|entry| entry.0 != tag.0) {
        match parse::<M>(&[tag, *entry]) {
            Ok(_) | Err(Problem::MissingField(_)) => {}
            Err(problem) => {
                let field = entry.0.text().unwrap_or_default();
                return Error::msg(format_args!("message {name:?}, field {field:?}: {problem}"));
            }
        }
    }
    Error::msg(format_args!("message {name:?}: {problem}"))
}

#[cfg(test)]
mod tests;
