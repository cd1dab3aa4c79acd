//! Reading MessagePack, one value at a time.

use rmp::Marker;

use super::MessageError;

/// One value; of a list or a map only its head, with the items to be read next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Nil.
    Nil,
    /// A boolean.
    Bool(bool),
    /// A number that was written without a sign.
    Unsigned(u64),
    /// A number that was written with one, which may still be positive.
    Signed(i64),
    /// A floating-point number.
    Float(f64),
    /// A string.
    Text(&'a str),
    /// Binary data.
    Bytes(&'a [u8]),
    /// A list of so many items.
    List(u64),
    /// A map of so many pairs.
    Map(u64),
}

/// Where the reading is. No length that is read is trusted, and nothing is allocated.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes were read.
    pub fn at(&self) -> usize {
        self.at
    }

    /// How many bytes are still to be read: at least as many as values.
    pub fn left(&self) -> u64 {
        (self.bytes.len() - self.at) as u64
    }

    /// Reads one value, of a list or a map only its head.
    pub fn value(&mut self) -> Result<Value<'a>, MessageError> {
        let start = self.at;
        let [marker] = self.digits(start)?;
        match Marker::from_u8(marker) {
            Marker::Null => Ok(Value::Nil),
            Marker::False => Ok(Value::Bool(false)),
            Marker::True => Ok(Value::Bool(true)),
            Marker::FixPos(number) => Ok(Value::Unsigned(number.into())),
            Marker::U8 | Marker::U16 | Marker::U32 | Marker::U64 => {
                self.unsigned(width(marker, 0xcc), start).map(Value::Unsigned)
            }
            Marker::FixNeg(number) => Ok(Value::Signed(number.into())),
            Marker::I8 => Ok(Value::Signed(i8::from_be_bytes(self.digits(start)?).into())),
            Marker::I16 => Ok(Value::Signed(i16::from_be_bytes(self.digits(start)?).into())),
            Marker::I32 => Ok(Value::Signed(i32::from_be_bytes(self.digits(start)?).into())),
            Marker::I64 => Ok(Value::Signed(i64::from_be_bytes(self.digits(start)?))),
            Marker::F32 => Ok(Value::Float(f32::from_be_bytes(self.digits(start)?).into())),
            Marker::F64 => Ok(Value::Float(f64::from_be_bytes(self.digits(start)?))),
            Marker::FixStr(len) => self.text(len.into(), start),
            Marker::Str8 | Marker::Str16 | Marker::Str32 => {
                self.unsigned(width(marker, 0xd9), start).and_then(|len| self.text(len, start))
            }
            Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => {
                let len = self.unsigned(width(marker, 0xc4), start)?;
                self.take(len, start).map(Value::Bytes)
            }
            Marker::FixArray(len) => Ok(Value::List(len.into())),
            Marker::Array16 => self.unsigned(2, start).map(Value::List),
            Marker::Array32 => self.unsigned(4, start).map(Value::List),
            Marker::FixMap(len) => Ok(Value::Map(len.into())),
            Marker::Map16 => self.unsigned(2, start).map(Value::Map),
            Marker::Map32 => self.unsigned(4, start).map(Value::Map),
            _ => Err(MessageError::Unsupported { at: start, marker }),
        }
    }

    /// Reads past one whole value, however deep it is.
    pub fn skip(&mut self) -> Result<(), MessageError> {
        let mut values = 1_u64;
        while values > 0 {
            let start = self.at;
            values -= 1;
            values += match self.value()? {
                Value::List(items) => items,
                Value::Map(pairs) => pairs * 2,
                _ => 0,
            };
            // Each is a byte at least: a length that cannot be true is told before anything is read.
            if values > self.left() {
                return Err(MessageError::Truncated { at: start });
            }
        }
        Ok(())
    }

    /// Takes `len` bytes of the value that starts at `start`.
    fn take(&mut self, len: u64, start: usize) -> Result<&'a [u8], MessageError> {
        let rest = &self.bytes[self.at..];
        let taken = usize::try_from(len).ok().and_then(|len| rest.get(..len));
        let taken = taken.ok_or(MessageError::Truncated { at: start })?;
        self.at += taken.len();
        Ok(taken)
    }

    fn digits<const N: usize>(&mut self, start: usize) -> Result<[u8; N], MessageError> {
        let rest = &self.bytes[self.at..];
        let digits = rest.first_chunk().ok_or(MessageError::Truncated { at: start })?;
        self.at += N;
        Ok(*digits)
    }

    /// Takes a number of `width` bytes, big-endian.
    fn unsigned(&mut self, width: u64, start: usize) -> Result<u64, MessageError> {
        let digits = self.take(width, start)?;
        Ok(digits.iter().fold(0, |number, &digit| number << 8 | u64::from(digit)))
    }

    fn text(&mut self, len: u64, start: usize) -> Result<Value<'a>, MessageError> {
        let text = std::str::from_utf8(self.take(len, start)?);
        text.map(Value::Text).map_err(|_| MessageError::NotUtf8 { at: start })
    }
}

/// How many bytes the number has whose marker is one of a family that begins at `first`, each twice as wide.
fn width(marker: u8, first: u8) -> u64 {
    1 << (marker - first)
}
