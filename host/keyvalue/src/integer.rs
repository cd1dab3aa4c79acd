//! Integers in values.

use crate::KeyvalueError;

/// Adds to the integer in a value; a missing value is 0. The text of an integer is as Redis has it: without a plus sign,
/// spaces or leading zeros.
pub(crate) fn add_to_integer(value: Option<&[u8]>, delta: i64) -> Result<i64, KeyvalueError> {
    let before = match value {
        None => 0,
        Some(value) => parse_integer(value).ok_or(KeyvalueError::NotAnInteger)?,
    };
    before.checked_add(delta).ok_or(KeyvalueError::NotAnInteger)
}

fn parse_integer(value: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(value).ok()?;
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}
