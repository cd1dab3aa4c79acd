//! A reader of MessagePack values.

use rmp::Marker;

use super::message_error::MessageError;

/// A value. The items of a list or a map follow as values of their own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Nil.
    Nil,
    /// A boolean.
    Bool(bool),
    /// A number that is encoded without a sign.
    Unsigned(u64),
    /// A number that is encoded with a sign. It may be positive.
    Signed(i64),
    /// A floating-point number.
    Float(f64),
    /// A string.
    Text(&'a str),
    /// Binary data.
    Bytes(&'a [u8]),
    /// A list with this number of items.
    List(u64),
    /// A map with this number of pairs.
    Map(u64),
}

/// Reads MessagePack values from bytes. It does not trust the lengths in the bytes and allocates nothing.
#[derive(Clone, Debug)]
pub struct MsgpackReader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> MsgpackReader<'a> {
    /// Creates a reader at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// The position: the number of bytes that were read.
    pub fn at(&self) -> usize {
        self.position
    }

    /// The number of bytes that are left. Each value takes at least one.
    pub fn remaining(&self) -> u64 {
        (self.bytes.len() - self.position) as u64
    }

    /// Reads one value. Of a list or a map it reads the header only.
    ///
    /// # Errors
    /// The bytes end inside the value, or are not a value of a message.
    pub fn value(&mut self) -> Result<Value<'a>, MessageError> {
        let start = self.position;
        let [marker] = self.read_array(start)?;
        match Marker::from_u8(marker) {
            Marker::Null => Ok(Value::Nil),
            Marker::False => Ok(Value::Bool(false)),
            Marker::True => Ok(Value::Bool(true)),
            Marker::FixPos(number) => Ok(Value::Unsigned(number.into())),
            Marker::U8 | Marker::U16 | Marker::U32 | Marker::U64 => {
                self.read_unsigned(integer_width(marker, 0xcc), start).map(Value::Unsigned)
            }
            Marker::FixNeg(number) => Ok(Value::Signed(number.into())),
            Marker::I8 => Ok(Value::Signed(i8::from_be_bytes(self.read_array(start)?).into())),
            Marker::I16 => Ok(Value::Signed(i16::from_be_bytes(self.read_array(start)?).into())),
            Marker::I32 => Ok(Value::Signed(i32::from_be_bytes(self.read_array(start)?).into())),
            Marker::I64 => Ok(Value::Signed(i64::from_be_bytes(self.read_array(start)?))),
            Marker::F32 => Ok(Value::Float(f32::from_be_bytes(self.read_array(start)?).into())),
            Marker::F64 => Ok(Value::Float(f64::from_be_bytes(self.read_array(start)?))),
            Marker::FixStr(len) => self.read_text(len.into(), start),
            Marker::Str8 | Marker::Str16 | Marker::Str32 => self
                .read_unsigned(integer_width(marker, 0xd9), start)
                .and_then(|len| self.read_text(len, start)),
            Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => {
                let len = self.read_unsigned(integer_width(marker, 0xc4), start)?;
                self.read_slice(len, start).map(Value::Bytes)
            }
            Marker::FixArray(len) => Ok(Value::List(len.into())),
            Marker::Array16 => self.read_unsigned(2, start).map(Value::List),
            Marker::Array32 => self.read_unsigned(4, start).map(Value::List),
            Marker::FixMap(len) => Ok(Value::Map(len.into())),
            Marker::Map16 => self.read_unsigned(2, start).map(Value::Map),
            Marker::Map32 => self.read_unsigned(4, start).map(Value::Map),
            _ => Err(MessageError::Unsupported { at: start, marker }),
        }
    }

    /// Skips one value and everything nested in it.
    ///
    /// # Errors
    /// As [`MsgpackReader::value`].
    pub fn skip_value(&mut self) -> Result<(), MessageError> {
        let mut values = 1_u64;
        while values > 0 {
            let start = self.position;
            values -= 1;
            values += match self.value()? {
                Value::List(items) => items,
                Value::Map(pairs) => pairs * 2,
                _ => 0,
            };
            // Each value takes at least a byte, so an impossible length is refused before its items are read.
            if values > self.remaining() {
                return Err(MessageError::Truncated { at: start });
            }
        }
        Ok(())
    }

    /// Reads `len` bytes of the value that starts at `start`.
    fn read_slice(&mut self, len: u64, start: usize) -> Result<&'a [u8], MessageError> {
        let rest = &self.bytes[self.position..];
        let slice = usize::try_from(len).ok().and_then(|len| rest.get(..len));
        let slice = slice.ok_or(MessageError::Truncated { at: start })?;
        self.position += slice.len();
        Ok(slice)
    }

    fn read_array<const N: usize>(&mut self, start: usize) -> Result<[u8; N], MessageError> {
        let rest = &self.bytes[self.position..];
        let digits = rest.first_chunk().ok_or(MessageError::Truncated { at: start })?;
        self.position += N;
        Ok(*digits)
    }

    /// Reads a big-endian number of `width` bytes.
    fn read_unsigned(&mut self, width: u64, start: usize) -> Result<u64, MessageError> {
        let digits = self.read_slice(width, start)?;
        Ok(digits.iter().fold(0, |number, &digit| number << 8 | u64::from(digit)))
    }

    fn read_text(&mut self, len: u64, start: usize) -> Result<Value<'a>, MessageError> {
        let text = std::str::from_utf8(self.read_slice(len, start)?);
        text.map(Value::Text).map_err(|_| MessageError::NotUtf8 { at: start })
    }
}

/// Returns the width in bytes of a number, from its marker and the first marker of its family. Each marker of a family
/// doubles the width.
fn integer_width(marker: u8, first: u8) -> u64 {
    1 << (marker - first)
}
