use rmp_serde::{
    config::{DefaultConfig, HumanReadableConfig},
    decode::ReadRefReader,
};
use serde::{
    Deserialize,
    de::{Deserializer, Error as _, IgnoredAny, IntoDeserializer, Visitor},
    forward_to_deserialize_any,
};

use super::decode_error::DecodeError;
use crate::error::Error;

/// A key and its value, both not yet decoded.
pub(super) type RawEntry<'de> = (RawValue<'de>, RawValue<'de>);

/// The encoded bytes of one MessagePack value.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct RawValue<'de>(&'de [u8]);

/// Reads one encoded value.
pub(super) type ValueDeserializer<'de> =
    rmp_serde::Deserializer<ReadRefReader<'de, [u8]>, HumanReadableConfig<DefaultConfig>>;

/// Splits a MessagePack map into its entries.
pub(super) fn read_entries(bytes: &[u8]) -> Result<Vec<RawEntry<'_>>, Error> {
    let mut rest = bytes;
    let length = rmp::decode::read_map_len(&mut rest)
        .map_err(|_| Error::msg("the message is not a MessagePack map"))?;
    (0..length).map(|_| Ok((take_value(&mut rest)?, take_value(&mut rest)?))).collect()
}

/// Encodes a string as MessagePack.
pub(super) fn encode_string(text: &str) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::with_capacity(text.len() + 5);
    rmp::encode::write_str(&mut bytes, text)?;
    Ok(bytes)
}

/// Reads an encoded value as serde's human-readable form.
pub(super) fn deserializer(value: &[u8]) -> ValueDeserializer<'_> {
    rmp_serde::Deserializer::from_read_ref(value).with_human_readable()
}

fn take_value<'de>(rest: &mut &'de [u8]) -> Result<RawValue<'de>, Error> {
    let mut reader = rmp_serde::Deserializer::new(*rest);
    IgnoredAny::deserialize(&mut reader)?;
    let (value, after) = rest.split_at(rest.len() - reader.get_ref().len());
    *rest = after;
    Ok(RawValue(value))
}

impl<'de> RawValue<'de> {
    /// Wraps the encoded bytes of one value.
    pub(super) fn new(value: &'de [u8]) -> Self {
        Self(value)
    }

    /// The encoded bytes.
    #[cfg(not(target_family = "wasm"))]
    pub(super) fn bytes(self) -> &'de [u8] {
        self.0
    }

    fn deserializer(self) -> ValueDeserializer<'de> {
        deserializer(self.0)
    }

    pub(super) fn to_text(self) -> Option<String> {
        String::deserialize(self).ok()
    }
}

impl<'de> IntoDeserializer<'de, DecodeError> for RawValue<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Forwards the methods whose result depends on more than the encoded value.
macro_rules! forward_to_value {
    ($($method:ident($($argument:ident: $type:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(
            self,
            $($argument: $type,)*
            visitor: V,
        ) -> Result<V::Value, DecodeError> {
            self.deserializer().$method($($argument,)* visitor).map_err(DecodeError::custom)
        }
    )*};
}

impl<'de> Deserializer<'de> for RawValue<'de> {
    type Error = DecodeError;

    /// Gives a string to the visitor directly. Forwarded to rmp-serde, the visitor's error for an unknown variant would
    /// come back as text only.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match rmp::decode::read_str_from_slice(self.0) {
            Ok((text, _)) => visitor.visit_borrowed_str(text),
            Err(_) => self.deserializer().deserialize_any(visitor).map_err(DecodeError::custom),
        }
    }

    forward_to_value! {
        deserialize_option()
        deserialize_newtype_struct(name: &'static str)
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}
