//! Messages of the channel layer: MessagePack maps with a string under `type`.

mod problem;
mod raw;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, Error as _, value::MapDeserializer},
};

use crate::{error::Error, layer::LayerError};
use problem::Problem;
use raw::Entry;

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

/// The message, unless it is of a type that the consumer does not know, which is logged and ignored.
pub(crate) fn known<M: DeserializeOwned>(bytes: &[u8]) -> Result<Option<M>, Error> {
    match decode(bytes)? {
        Incoming::Known(message) => Ok(Some(message)),
        Incoming::Unknown(name) => {
            crate::debug!("ignored a message of the unknown type {name:?}");
            Ok(None)
        }
    }
}

/// Fails when the message is of a type that the consumer knows but does not have its fields; the
/// error names the field.
pub(crate) fn decode<M: DeserializeOwned>(bytes: &[u8]) -> Result<Incoming<M>, Error> {
    let entries = raw::entries(bytes)?;
    parse::<M>(&entries).map(Incoming::Known).or_else(|problem| explain::<M>(&entries, &problem))
}

fn parse<M: DeserializeOwned>(entries: &[Entry<'_>]) -> Result<M, Problem> {
    M::deserialize(MapDeserializer::new(entries.iter().copied()))
}

/// Serde reads a tagged enum through a buffer and so cannot say where in the message it failed. It
/// is asked again with less of the message until it fails for one reason only: first the type
/// alone, then the type and each field by itself.
fn explain<M: DeserializeOwned>(
    entries: &[Entry<'_>],
    problem: &Problem,
) -> Result<Incoming<M>, Error> {
    let tag = entries.iter().find(|(key, _)| key.text().as_deref() == Some(TYPE));
    let Some(tag) = tag else { return Err(Error::msg("a message without a type")) };
    let name = tag.1.text().ok_or_else(|| Error::msg("a message whose type is no string"))?;

    if let Err(Problem::UnknownVariant(_)) = parse::<M>(&[*tag]) {
        return Ok(Incoming::Unknown(name));
    }
    if let Problem::MissingField(field) = problem {
        return Err(Error::msg(format_args!("message {name:?} lacks the field {field:?}")));
    }
    for entry in entries.iter().filter(|entry| entry.0 != tag.0) {
        match parse::<M>(&[*tag, *entry]) {
            Ok(_) | Err(Problem::MissingField(_)) => {}
            Err(problem) => {
                let field = entry.0.text().unwrap_or_default();
                return Err(Error::msg(format_args!(
                    "message {name:?}, field {field:?}: {problem}"
                )));
            }
        }
    }
    Err(Error::msg(format_args!("message {name:?}: {problem}")))
}

#[cfg(test)]
mod tests;
