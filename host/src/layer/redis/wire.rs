//! How messages become bytes in Redis and back, as channels_redis's `serializers.py` has it: a random prefix, then the
//! message, which may be encrypted.

mod frame;
mod json;
mod keyring;

use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use rmp::encode;

use self::keyring::Keyring;
use crate::config::{RedisConfig, Serializer};
use crate::frame::Frame;
use crate::layer::Delivery;
use crate::message::{self, Entries, Message, MessageError};

/// Under which key channels_redis names the channels a message is for.
const ADDRESS: &str = "__asgi_channel__";

/// Bytes of names, and of what JSON and encryption add, that may come with a message.
const BESIDE: usize = 32 << 20;

/// How messages of one layer become bytes and back.
pub(in crate::layer) struct Codec {
    random_prefix: usize,
    serializer: Serializer,
    keyring: Option<Keyring>,
    max_message: usize,
}

/// What is said of the channels a message is for.
pub(in crate::layer) enum To<'a> {
    /// Nothing: the key says it.
    Key,
    /// One channel.
    Channel(&'a str),
    /// Channels, as a list.
    Channels(&'a [String]),
}

/// What came, and for whom.
pub(in crate::layer) struct Parcel {
    pub(in crate::layer) delivery: Delivery,
    body: Bytes,
    names: Option<Vec<Range<usize>>>,
}

/// Why bytes are nothing that a layer wrote, or a message cannot be written.
#[derive(Debug, thiserror::Error)]
pub(in crate::layer) enum WireError {
    /// There is less than the random prefix.
    #[error("{0} bytes are fewer than the random prefix has")]
    TooShort(usize),
    /// There is more than a message and its receivers' names take.
    #[error("{0} bytes are more than a message can have")]
    TooLong(usize),
    /// No key decrypts it, or it is too old.
    #[error("no key of symmetric_encryption_keys decrypts it, or it is older than expiry allows")]
    NotDecrypted,
    /// It is not a message.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// It is not a frame for a group.
    #[error("a list that is no frame")]
    NotAFrame,
    /// It is not JSON, or JSON cannot say it.
    #[error("JSON: {0}")]
    Json(String),
}

impl Codec {
    /// With messages of at most `max_message` bytes; encrypted ones are refused when they are older than `token_age`.
    pub(in crate::layer) fn new(
        config: &RedisConfig,
        random_prefix: usize,
        token_age: Option<Duration>,
        max_message: usize,
    ) -> Self {
        Self {
            random_prefix,
            serializer: config.serializer,
            keyring: Keyring::new(&config.symmetric_encryption_keys, token_age),
            max_message,
        }
    }

    /// The bytes of a message. What its sender wrote under the key of the receivers' names is left out: nobody chooses
    /// receivers but the layer.
    ///
    /// # Errors
    /// [`WireError::Json`] for bytes where the serializer is JSON.
    pub(in crate::layer) fn encode(
        &self,
        message: &Message,
        to: To<'_>,
    ) -> Result<Vec<u8>, WireError> {
        let names: usize = match to {
            To::Key => 0,
            To::Channel(name) => name.len(),
            To::Channels(names) => names.iter().map(|name| name.len() + 2).sum(),
        };
        let plain = self.serializer == Serializer::Msgpack && self.keyring.is_none();
        let mut body = if plain { self.prefix() } else { Vec::new() };
        body.reserve(message.len() + names + 64);
        let Entries { pairs, start, found } = message::entries(message.bytes(), ADDRESS)?;
        let own = pairs - found.len() as u64;
        map_head(&mut body, own + u64::from(!matches!(to, To::Key)));
        copy_without(&mut body, message.bytes(), start, &found);
        match to {
            To::Key => {}
            To::Channel(name) => {
                text(&mut body, ADDRESS);
                text(&mut body, name);
            }
            To::Channels(names) => {
                text(&mut body, ADDRESS);
                list(&mut body, names);
            }
        }
        if plain {
            return Ok(body);
        }
        Ok(match self.serializer {
            Serializer::Msgpack => self.seal(&body),
            Serializer::Json => self.seal(json::from_msgpack(&body)?.as_bytes()),
        })
    }

    /// The bytes of a frame for channels of other Narrowboat processes, which alone read it.
    pub(in crate::layer) fn encode_frame(&self, frame: &Frame, names: &[String]) -> Vec<u8> {
        self.seal(&frame::encode(frame, names))
    }

    /// Reads what was found in Redis.
    ///
    /// # Errors
    /// What it is instead of a message.
    pub(in crate::layer) fn decode(&self, mut wire: Bytes) -> Result<Parcel, WireError> {
        if wire.len() < self.random_prefix {
            return Err(WireError::TooShort(wire.len()));
        }
        if wire.len() > self.max_message.saturating_mul(2).saturating_add(BESIDE) {
            return Err(WireError::TooLong(wire.len()));
        }
        let mut body = wire.split_off(self.random_prefix);
        if let Some(keyring) = &self.keyring {
            body = keyring.decrypt(&body).ok_or(WireError::NotDecrypted)?.into();
        }
        if frame::is_frame(&body) {
            let (frame, names) = frame::decode(&body).ok_or(WireError::NotAFrame)?;
            return Ok(Parcel { delivery: Delivery::Frame(frame), body, names: Some(names) });
        }
        if self.serializer == Serializer::Json {
            body = json::to_msgpack(&body)?.into();
        }
        let Entries { pairs, start, found } = message::entries(&body, ADDRESS)?;
        let Some((_, value)) = found.last() else {
            let message = Message::parse(body.clone(), self.max_message)?;
            return Ok(Parcel { delivery: Delivery::Message(message), body, names: None });
        };
        let names = message::texts(&body, value.clone())?;
        let mut rest = Vec::with_capacity(body.len() - value.len());
        map_head(&mut rest, pairs - found.len() as u64);
        copy_without(&mut rest, &body, start, &found);
        let message = Message::parse(Bytes::from(rest), self.max_message)?;
        Ok(Parcel { delivery: Delivery::Message(message), body, names: Some(names) })
    }

    fn seal(&self, body: &[u8]) -> Vec<u8> {
        let body = match &self.keyring {
            Some(keyring) => Cow::Owned(keyring.encrypt(body)),
            None => Cow::Borrowed(body),
        };
        let mut wire = self.prefix();
        wire.extend_from_slice(&body);
        wire
    }

    fn prefix(&self) -> Vec<u8> {
        let mut wire = vec![0; self.random_prefix];
        rand::fill(&mut wire[..]);
        wire
    }
}

impl Parcel {
    /// Whether it names its receivers, rather than leaving that to the key.
    pub(in crate::layer) fn is_addressed(&self) -> bool {
        self.names.is_some()
    }

    /// The receivers' names.
    pub(in crate::layer) fn names(&self) -> impl Iterator<Item = &str> {
        let ranges = self.names.iter().flatten();
        ranges.filter_map(|range| std::str::from_utf8(&self.body[range.clone()]).ok())
    }
}

// Writing into a Vec cannot fail.
fn map_head(wire: &mut Vec<u8>, pairs: u64) {
    let _ = encode::write_map_len(wire, u32::try_from(pairs).unwrap_or(u32::MAX));
}

/// Copies the entries of a map but for those that were found.
fn copy_without(
    to: &mut Vec<u8>,
    map: &[u8],
    start: usize,
    found: &[(Range<usize>, Range<usize>)],
) {
    let mut from = start;
    for (entry, _) in found {
        to.extend_from_slice(&map[from..entry.start]);
        from = entry.end;
    }
    to.extend_from_slice(&map[from..]);
}

fn list_head(wire: &mut Vec<u8>, items: usize) {
    let _ = encode::write_array_len(wire, u32::try_from(items).unwrap_or(u32::MAX));
}

fn text(wire: &mut Vec<u8>, text: &str) {
    let _ = encode::write_str(wire, text);
}

fn list(wire: &mut Vec<u8>, names: &[String]) {
    list_head(wire, names.len());
    for name in names {
        text(wire, name);
    }
}

#[cfg(test)]
mod tests;
