//! The walk over a message's bytes.

use std::ops::Range;

use rmp::Marker;

use super::{MAX_DEPTH, MessageError};

/// What a value turned out to be.
enum Value {
    /// Text, and where it stands.
    Text(Range<usize>),
    Bytes,
    /// A number, a bool or nothing.
    Scalar,
    /// A list of so many items.
    List(u64),
    /// A map of so many pairs.
    Map(u64),
}

/// Where the reading is.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    /// Takes `len` bytes of the value that starts at `start`.
    fn take(&mut self, len: u64, start: usize) -> Result<Range<usize>, MessageError> {
        let left = self.bytes.len() - self.at;
        match usize::try_from(len) {
            Ok(len) if len <= left => {
                let taken = self.at..self.at + len;
                self.at = taken.end;
                Ok(taken)
            }
            _ => Err(MessageError::Truncated { at: start }),
        }
    }

    /// Takes a length of `width` bytes, big-endian.
    fn length(&mut self, width: u64, start: usize) -> Result<u64, MessageError> {
        let digits = self.take(width, start)?;
        Ok(self.bytes[digits].iter().fold(0, |length, &digit| length << 8 | u64::from(digit)))
    }

    fn text(&mut self, len: u64, start: usize) -> Result<Value, MessageError> {
        let text = self.take(len, start)?;
        match std::str::from_utf8(&self.bytes[text.clone()]) {
            Ok(_) => Ok(Value::Text(text)),
            Err(_) => Err(MessageError::NotUtf8 { at: start }),
        }
    }

    fn skip(&mut self, len: u64, start: usize, value: Value) -> Result<Value, MessageError> {
        self.take(len, start).map(|_| value)
    }

    /// Reads one value, of a list or a map only its head.
    fn value(&mut self) -> Result<Value, MessageError> {
        let start = self.at;
        let head = self.take(1, start)?.start;
        let marker = self.bytes[head];
        match Marker::from_u8(marker) {
            Marker::Null | Marker::True | Marker::False => Ok(Value::Scalar),
            Marker::FixPos(_) | Marker::FixNeg(_) => Ok(Value::Scalar),
            Marker::U8 | Marker::I8 => self.skip(1, start, Value::Scalar),
            Marker::U16 | Marker::I16 => self.skip(2, start, Value::Scalar),
            Marker::U32 | Marker::I32 | Marker::F32 => self.skip(4, start, Value::Scalar),
            Marker::U64 | Marker::I64 | Marker::F64 => self.skip(8, start, Value::Scalar),
            Marker::FixStr(len) => self.text(len.into(), start),
            Marker::Str8 => self.length(1, start).and_then(|len| self.text(len, start)),
            Marker::Str16 => self.length(2, start).and_then(|len| self.text(len, start)),
            Marker::Str32 => self.length(4, start).and_then(|len| self.text(len, start)),
            Marker::Bin8 => {
                self.length(1, start).and_then(|len| self.skip(len, start, Value::Bytes))
            }
            Marker::Bin16 => {
                self.length(2, start).and_then(|len| self.skip(len, start, Value::Bytes))
            }
            Marker::Bin32 => {
                self.length(4, start).and_then(|len| self.skip(len, start, Value::Bytes))
            }
            Marker::FixArray(len) => Ok(Value::List(len.into())),
            Marker::Array16 => self.length(2, start).map(Value::List),
            Marker::Array32 => self.length(4, start).map(Value::List),
            Marker::FixMap(len) => Ok(Value::Map(len.into())),
            Marker::Map16 => self.length(2, start).map(Value::Map),
            Marker::Map32 => self.length(4, start).map(Value::Map),
            _ => Err(MessageError::Unsupported { at: start, marker }),
        }
    }

    /// Reads past everything inside a value whose head was read at `start`, `above` levels down.
    fn finish(&mut self, value: &Value, start: usize, above: usize) -> Result<(), MessageError> {
        if !matches!(value, Value::List(_) | Value::Map(_)) {
            return Ok(());
        }
        let mut open = [Level::default(); MAX_DEPTH];
        let mut depth = above;
        self.descend(value, start, &mut open, &mut depth)?;
        while depth > above {
            let level = &mut open[depth - 1];
            if level.left == 0 {
                depth -= 1;
                continue;
            }
            let is_key = level.is_map && level.left.is_multiple_of(2);
            level.left -= 1;
            let start = self.at;
            let value = self.value()?;
            if is_key && !matches!(value, Value::Text(_) | Value::Bytes) {
                return Err(MessageError::BadKey { at: start });
            }
            self.descend(&value, start, &mut open, &mut depth)?;
        }
        Ok(())
    }

    fn descend(
        &self,
        value: &Value,
        start: usize,
        open: &mut [Level; MAX_DEPTH],
        depth: &mut usize,
    ) -> Result<(), MessageError> {
        let (left, is_map) = match *value {
            Value::List(items) => (items, false),
            Value::Map(pairs) => (pairs * 2, true),
            _ => return Ok(()),
        };
        // Each item is a byte at least, so a length that cannot be true is told before anything is read.
        if left > (self.bytes.len() - self.at) as u64 {
            return Err(MessageError::Truncated { at: start });
        }
        let level = open.get_mut(*depth).ok_or(MessageError::TooDeep { at: start })?;
        *level = Level { left, is_map };
        *depth += 1;
        Ok(())
    }
}

/// A list or a map that is being read.
#[derive(Clone, Copy, Default)]
struct Level {
    /// Values still to come; in a map, an even number of them means that the next is a key.
    left: u64,
    is_map: bool,
}

/// Where the `type` stands in bytes that are exactly one message.
pub(super) fn kind_of(bytes: &[u8]) -> Result<Range<usize>, MessageError> {
    let mut cursor = Cursor { bytes, at: 0 };
    let Value::Map(pairs) = cursor.value()? else {
        return Err(MessageError::NotAMap);
    };
    if pairs * 2 > (bytes.len() - cursor.at) as u64 {
        return Err(MessageError::Truncated { at: 0 });
    }
    let mut kind = None;
    for _ in 0..pairs {
        let at = cursor.at;
        let Value::Text(key) = cursor.value()? else {
            return Err(MessageError::KeyNotString { at });
        };
        let at = cursor.at;
        let value = cursor.value()?;
        if &bytes[key] == b"type" {
            if kind.is_some() {
                return Err(MessageError::DuplicateType { at });
            }
            kind = Some(checked_kind(bytes, &value, at)?);
        } else {
            cursor.finish(&value, at, 1)?;
        }
    }
    if cursor.at < bytes.len() {
        return Err(MessageError::Trailing { at: cursor.at });
    }
    kind.ok_or(MessageError::NoType)
}

fn checked_kind(bytes: &[u8], value: &Value, at: usize) -> Result<Range<usize>, MessageError> {
    let Value::Text(kind) = value else {
        return Err(MessageError::TypeNotString { at });
    };
    match bytes[kind.clone()].first() {
        None => Err(MessageError::TypeEmpty { at }),
        Some(b'_') => Err(MessageError::TypePrivate { at }),
        Some(_) => Ok(kind.clone()),
    }
}

/// The entries of a message's map that stand under one key.
pub(crate) struct Entries {
    /// How many entries the map has.
    pub(crate) pairs: u64,
    /// Where the first entry starts.
    pub(crate) start: usize,
    /// Each whole entry, and the value in it.
    pub(crate) found: Vec<(Range<usize>, Range<usize>)>,
}

/// Finds what stands under a key of a map. Keys of other kinds than text are passed over.
///
/// # Errors
/// What is wrong with the bytes, as far as they were read; only the map's own value is read.
pub(crate) fn entries(bytes: &[u8], key: &str) -> Result<Entries, MessageError> {
    let mut cursor = Cursor { bytes, at: 0 };
    let Value::Map(pairs) = cursor.value()? else {
        return Err(MessageError::NotAMap);
    };
    let mut entries = Entries { pairs, start: cursor.at, found: Vec::new() };
    for _ in 0..pairs {
        let entry = cursor.at;
        let name = cursor.value()?;
        cursor.finish(&name, entry, 1)?;
        let value = cursor.at;
        let head = cursor.value()?;
        cursor.finish(&head, value, 1)?;
        if matches!(&name, Value::Text(text) if &bytes[text.clone()] == key.as_bytes()) {
            entries.found.push((entry..cursor.at, value..cursor.at));
        }
    }
    Ok(entries)
}

/// The texts that a value is, or a list has.
///
/// # Errors
/// [`MessageError::Unsupported`] where the value, or one of the list, is no text.
pub(crate) fn texts(bytes: &[u8], value: Range<usize>) -> Result<Vec<Range<usize>>, MessageError> {
    let mut cursor = Cursor { bytes, at: value.start };
    let other = |at: usize| MessageError::Unsupported { at, marker: bytes[at] };
    let items = match cursor.value()? {
        Value::Text(text) => return Ok(vec![text]),
        Value::List(items) => items,
        _ => return Err(other(value.start)),
    };
    // Each was read before, so the length is true.
    let mut texts = Vec::with_capacity(usize::try_from(items).unwrap_or(0));
    for _ in 0..items {
        let at = cursor.at;
        match cursor.value()? {
            Value::Text(text) => texts.push(text),
            _ => return Err(other(at)),
        }
    }
    Ok(texts)
}
