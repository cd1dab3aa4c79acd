//! Whom a delivery is for, as it says itself.

use bytes::Bytes;

use super::error::WireError;
use super::packer::Packer;
use narrowboat_core::message::{MsgpackReader, Value};

/// The key of a message under which channels_redis writes whom it is for.
pub(super) const ADDRESS_KEY: &str = "__asgi_channel__";

/// The most channels that one delivery may be for.
pub(crate) const MAX_ADDRESS_NAMES: usize = 100_000;

/// Whom a delivery is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireAddress<'a> {
    /// Nothing is added: the key or the Redis channel it goes to says it.
    Implicit,
    /// One channel, written as a string.
    Channel(&'a str),
    /// Members of a group, written as a list even if it is one. More than [`MAX_ADDRESS_NAMES`] are not read back.
    Channels(&'a [&'a str]),
}

impl WireAddress<'_> {
    /// Writes the value that [`Names::read`] reads.
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

    /// How many bytes the names take at most, with quotes or heads.
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

/// The names a delivery is for, as they stand on the wire: a list is read again each time, and nothing is allocated
/// for a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AddressNames(Bytes);

impl AddressNames {
    /// The names in the MessagePack value that is all of `value`; none if it is nil.
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
        // Checked when they were read, so the first that is not text is the end.
        std::iter::from_fn(move || match reader.value() {
            Ok(Value::Text(name)) => Some(name),
            _ => None,
        })
    }
}
