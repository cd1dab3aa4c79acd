//! The address within a delivery.

use bytes::Bytes;

use super::packer::Packer;
use super::wire_error::WireError;
use narrowboat_core::message::{MsgpackReader, Value};

/// The key of a message under which channels_redis writes the recipients.
pub(super) const ADDRESS_KEY: &str = "__asgi_channel__";

/// The largest number of channels in the address of one delivery.
pub(crate) const MAX_ADDRESS_NAMES: usize = 100_000;

/// The recipients of a delivery, as written into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireAddress<'a> {
    /// No address: the key or the topic names the recipient.
    Implicit,
    /// One channel, written as a string.
    Channel(&'a str),
    /// Members of a group, written as an array even if there is only one. Reading refuses more than
    /// [`MAX_ADDRESS_NAMES`].
    Channels(&'a [&'a str]),
}

impl WireAddress<'_> {
    /// Writes the value that [`AddressNames::decode`] reads.
    pub(super) fn encode(self, packer: &mut Packer<'_>) {
        match self {
            Self::Implicit => packer.nil(),
            Self::Channel(name) => packer.text(name),
            Self::Channels(names) => {
                packer.array_header(names.len());
                names.iter().for_each(|name| packer.text(name));
            }
        }
    }

    /// Returns an upper limit of the encoded bytes, with quotes or headers.
    pub(super) fn max_encoded_bytes(self) -> usize {
        const EACH: usize = 5;
        match self {
            Self::Implicit => 1,
            Self::Channel(name) => name.len() + EACH,
            Self::Channels(names) => {
                EACH + names.iter().map(|name| name.len() + EACH).sum::<usize>()
            }
        }
    }
}

/// The names of a delivery's recipients, in their encoded form. Iterating decodes them again, so no name is allocated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AddressNames(Bytes);

impl AddressNames {
    /// Returns the names in a MessagePack value, or `None` if it is nil.
    ///
    /// # Errors
    /// [`WireError::BadAddress`] or [`WireError::TooManyNames`].
    pub(super) fn decode(value: &Bytes) -> Result<Option<Self>, WireError> {
        let mut reader = MsgpackReader::new(value);
        let names = match reader.value()? {
            Value::Nil => return Ok(None),
            Value::Text(_) => value.clone(),
            Value::List(count) if count > MAX_ADDRESS_NAMES as u64 => {
                return Err(WireError::TooManyNames { count, max: MAX_ADDRESS_NAMES });
            }
            Value::List(count) => {
                let names = value.slice(reader.at()..);
                for _ in 0..count {
                    let Value::Text(_) = reader.value()? else {
                        return Err(WireError::BadAddress);
                    };
                }
                names
            }
            _ => return Err(WireError::BadAddress),
        };
        Ok(Some(Self(names)))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        let mut reader = MsgpackReader::new(&self.0);
        // `decode` checked the names, so the first value that is not a string is the end.
        std::iter::from_fn(move || match reader.value() {
            Ok(Value::Text(name)) => Some(name),
            _ => None,
        })
    }
}
