//! The validation of a message.

use std::ops::Range;

use super::message_error::{MAX_DEPTH, MessageError};
use super::msgpack_reader::{MsgpackReader, Value};

/// Checks everything nested in a value whose header was read at `start`. The value is one level below the message.
fn check_nested(
    reader: &mut MsgpackReader<'_>,
    value: Value<'_>,
    start: usize,
) -> Result<(), MessageError> {
    if !matches!(value, Value::List(_) | Value::Map(_)) {
        return Ok(());
    }
    let mut open = [OpenContainer::default(); MAX_DEPTH - 1];
    let mut depth = 0;
    push_container(reader, value, start, &mut open, &mut depth)?;
    while depth > 0 {
        let level = &mut open[depth - 1];
        if level.remaining == 0 {
            depth -= 1;
            continue;
        }
        let is_key = level.is_map && level.remaining.is_multiple_of(2);
        level.remaining -= 1;
        let start = reader.at();
        let value = reader.value()?;
        if is_key && !matches!(value, Value::Text(_) | Value::Bytes(_)) {
            return Err(MessageError::InvalidKey { at: start });
        }
        push_container(reader, value, start, &mut open, &mut depth)?;
    }
    Ok(())
}

fn push_container(
    reader: &MsgpackReader<'_>,
    value: Value<'_>,
    start: usize,
    open: &mut [OpenContainer],
    depth: &mut usize,
) -> Result<(), MessageError> {
    let (remaining, is_map) = match value {
        Value::List(items) => (items, false),
        Value::Map(pairs) => (pairs * 2, true),
        _ => return Ok(()),
    };
    // Each value takes at least a byte, so an impossible length is refused before its items are read.
    if remaining > reader.remaining() {
        return Err(MessageError::Truncated { at: start });
    }
    let level = open.get_mut(*depth).ok_or(MessageError::TooDeep { at: start })?;
    *level = OpenContainer { remaining, is_map };
    *depth += 1;
    Ok(())
}

/// A list or a map whose items are being read.
#[derive(Clone, Copy, Default)]
struct OpenContainer {
    /// The number of values that follow. In a map, the next one is a key if the number is even.
    remaining: u64,
    is_map: bool,
}

/// Checks that bytes are exactly one message, and returns the range of its `type`.
pub(super) fn find_type(bytes: &[u8]) -> Result<Range<usize>, MessageError> {
    let mut reader = MsgpackReader::new(bytes);
    let Value::Map(pairs) = reader.value()? else {
        return Err(MessageError::NotAMap);
    };
    if pairs * 2 > reader.remaining() {
        return Err(MessageError::Truncated { at: 0 });
    }
    let mut type_range = None;
    for _ in 0..pairs {
        let at = reader.at();
        let Value::Text(key) = reader.value()? else {
            return Err(MessageError::KeyNotString { at });
        };
        let at = reader.at();
        let value = reader.value()?;
        if key == "type" {
            if type_range.is_some() {
                return Err(MessageError::DuplicateType { at });
            }
            let len = check_type(value, at)?.len();
            type_range = Some(reader.at() - len..reader.at());
        } else {
            check_nested(&mut reader, value, at)?;
        }
    }
    if reader.remaining() > 0 {
        return Err(MessageError::TrailingBytes { at: reader.at() });
    }
    type_range.ok_or(MessageError::NoType)
}

fn check_type(value: Value<'_>, at: usize) -> Result<&str, MessageError> {
    let Value::Text(text) = value else {
        return Err(MessageError::TypeNotString { at });
    };
    match text.as_bytes().first() {
        None => Err(MessageError::TypeEmpty { at }),
        Some(b'_') => Err(MessageError::TypePrivate { at }),
        Some(_) => Ok(text),
    }
}
