//! Messages as JSON, written as Python's `json.dumps` writes them.

use std::fmt::{self, Write};

use rmp::encode;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::WireError;

/// The JSON of a message in MessagePack.
///
/// # Errors
/// Bytes cannot be said in JSON.
pub(super) fn from_msgpack(body: &[u8]) -> Result<String, WireError> {
    let mut text = String::with_capacity(body.len() * 2);
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(body);
    Writer(&mut text)
        .deserialize(&mut deserializer)
        .map_err(|error| WireError::Json(error.to_string()))?;
    Ok(text)
}

/// The MessagePack of a message in JSON. `NaN` and `Infinity`, which Python writes and JSON does not have, are errors;
/// of a key that stands twice in a map, both stay.
///
/// # Errors
/// Where the text is not JSON.
pub(super) fn to_msgpack(text: &[u8]) -> Result<Vec<u8>, WireError> {
    let mut body = Vec::with_capacity(text.len());
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    Packer(&mut body)
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end())
        .map_err(|error| WireError::Json(error.to_string()))?;
    Ok(body)
}

/// Writes whatever it is shown as JSON.
struct Writer<'a>(&'a mut String);

impl<'de> DeserializeSeed<'de> for Writer<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Writer<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what JSON can say")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.push_str("null");
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.0.push_str(if value { "true" } else { "false" });
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        write!(self.0, "{value}").map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        write!(self.0, "{value}").map_err(E::custom)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        write_float(self.0, value).map_err(E::custom)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        write_text(self.0, value).map_err(E::custom)
    }

    fn visit_bytes<E: Error>(self, _: &[u8]) -> Result<(), E> {
        Err(E::custom("bytes cannot be sent with serializer = \"json\"; send text, or use msgpack"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.0.push('[');
        let start = self.0.len();
        while items.next_element_seed(Separated(self.0, start))?.is_some() {}
        self.0.push(']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        self.0.push('{');
        let start = self.0.len();
        while entries.next_key_seed(Separated(self.0, start))?.is_some() {
            self.0.push_str(": ");
            entries.next_value_seed(Writer(self.0))?;
        }
        self.0.push('}');
        Ok(())
    }
}

/// Writes one of several, with a comma before all but the first.
struct Separated<'a>(&'a mut String, usize);

impl<'de> DeserializeSeed<'de> for Separated<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.0.len() > self.1 {
            self.0.push_str(", ");
        }
        Writer(self.0).deserialize(deserializer)
    }
}

fn write_text(to: &mut String, text: &str) -> fmt::Result {
    to.push('"');
    for character in text.chars() {
        match character {
            '"' => to.push_str("\\\""),
            '\\' => to.push_str("\\\\"),
            '\n' => to.push_str("\\n"),
            '\r' => to.push_str("\\r"),
            '\t' => to.push_str("\\t"),
            '\u{8}' => to.push_str("\\b"),
            '\u{c}' => to.push_str("\\f"),
            ' '..='\u{7f}' => to.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(to, "\\u{unit:04x}")?;
                }
            }
        }
    }
    to.push('"');
    Ok(())
}

/// As Python's `repr` does: the shortest digits, with an exponent below 1e-4 and from 1e16 on.
fn write_float(to: &mut String, value: f64) -> fmt::Result {
    if value.is_nan() {
        to.push_str("NaN");
        return Ok(());
    }
    if value.is_infinite() {
        to.push_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
        return Ok(());
    }
    let plain = value == 0.0 || (1e-4..1e16).contains(&value.abs());
    if plain {
        return write!(to, "{value:?}");
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    write!(to, "{digits}e{sign}{exponent:0>2}")
}

/// Writes whatever it is shown as MessagePack. Lengths are known at the end only, so each has four bytes.
struct Packer<'a>(&'a mut Vec<u8>);

const LIST: u8 = 0xdd;
const MAP: u8 = 0xdf;

impl Packer<'_> {
    /// Leaves room for a length, and says where.
    fn open(&mut self, marker: u8) -> usize {
        self.0.push(marker);
        self.0.extend([0; 4]);
        self.0.len()
    }

    fn close(&mut self, start: usize, length: u32) {
        self.0[start - 4..start].copy_from_slice(&length.to_be_bytes());
    }
}

impl<'de> DeserializeSeed<'de> for Packer<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Packer<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        encode::write_nil(self.0).map_err(E::custom)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        encode::write_bool(self.0, value).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        encode::write_sint(self.0, value).map(|_| ()).map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        encode::write_uint(self.0, value).map(|_| ()).map_err(E::custom)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        encode::write_f64(self.0, value).map_err(E::custom)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        encode::write_str(self.0, value).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let start = self.open(LIST);
        let mut length = 0;
        while items.next_element_seed(Packer(self.0))?.is_some() {
            length += 1;
        }
        self.close(start, length);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        let start = self.open(MAP);
        let mut length = 0;
        while entries.next_key_seed(Packer(self.0))?.is_some() {
            entries.next_value_seed(Packer(self.0))?;
            length += 1;
        }
        self.close(start, length);
        Ok(())
    }
}
