//! JSON as `json.loads` reads it, to MessagePack.

use jiter::{Jiter, JiterError, JiterErrorType, JsonErrorType, Peek};

use super::packer::Packer;
use narrowboat_core::message::MAX_DEPTH;

/// Why bytes are not JSON that a message can be made of. Positions are in bytes from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JsonError {
    /// The text is not UTF-8.
    #[error("byte {at} is not UTF-8")]
    NotUtf8 {
        /// The first byte that is not.
        at: usize,
    },
    /// The byte cannot stand there. At the length of the whole text, something is missing.
    #[error("byte {at} is not valid JSON")]
    Unexpected {
        /// Where it stands.
        at: usize,
    },
    /// Objects and arrays are nested deeper than [`MAX_DEPTH`].
    #[error("the value at byte {at} is nested deeper than {MAX_DEPTH} levels")]
    TooDeep {
        /// Where the object or array starts that is one too many.
        at: usize,
    },
    /// The integer does not fit in 64 bits.
    #[error("the integer at byte {at} does not fit in 64 bits")]
    LargeInteger {
        /// Where it starts.
        at: usize,
    },
    /// The string has half of a surrogate pair, which Python can write and UTF-8 cannot.
    #[error("the string has half of a surrogate pair before byte {at}")]
    LoneSurrogate {
        /// The last byte of the escape, or the byte after it.
        at: usize,
    },
}

impl From<JiterError> for JsonError {
    fn from(error: JiterError) -> Self {
        let at = error.index;
        match error.error_type {
            JiterErrorType::JsonError(
                JsonErrorType::LoneLeadingSurrogateInHexEscape
                | JsonErrorType::UnexpectedEndOfHexEscape,
            ) => Self::LoneSurrogate { at },
            JiterErrorType::JsonError(JsonErrorType::NumberOutOfRange) => Self::LargeInteger { at },
            _ => Self::Unexpected { at },
        }
    }
}

/// The one value that `body` is, in MessagePack. A key that comes twice stays, twice.
pub(super) fn read(body: &[u8]) -> Result<Vec<u8>, JsonError> {
    std::str::from_utf8(body).map_err(|error| JsonError::NotUtf8 { at: error.valid_up_to() })?;
    let json = Jiter::new(body).with_allow_inf_nan();
    let mut transcoder = Transcoder { json, out: Vec::with_capacity(body.len()) };
    let first = transcoder.json.peek()?;
    transcoder.value(first, 0)?;
    transcoder.json.finish()?;
    // The message waits as it is, so give back the room that escapes and spaces would have taken.
    transcoder.out.shrink_to_fit();
    Ok(transcoder.out)
}

struct Transcoder<'a> {
    json: Jiter<'a>,
    out: Vec<u8>,
}

impl Transcoder<'_> {
    fn value(&mut self, first: Peek, depth: usize) -> Result<(), JsonError> {
        match first {
            Peek::String => Packer(&mut self.out).text(self.json.known_str()?),
            Peek::Object => self.object(depth)?,
            Peek::Array => self.array(depth)?,
            Peek::Null => {
                self.json.known_null()?;
                Packer(&mut self.out).nil();
            }
            Peek::True | Peek::False => {
                let value = self.json.known_bool(first)?;
                Packer(&mut self.out).bool(value);
            }
            _ => self.number(first)?,
        }
        Ok(())
    }

    fn start_container(&mut self, depth: usize) -> Result<usize, JsonError> {
        if depth == MAX_DEPTH {
            return Err(JsonError::TooDeep { at: self.json.current_index() });
        }
        self.out.push(0);
        Ok(self.out.len() - 1)
    }

    fn array(&mut self, depth: usize) -> Result<(), JsonError> {
        let (start, mut count) = (self.start_container(depth)?, 0);
        let mut next = self.json.known_array()?;
        while let Some(first) = next {
            self.value(first, depth + 1)?;
            count += 1;
            next = self.json.array_step()?;
        }
        self.write_header(start, count, false);
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<(), JsonError> {
        let (start, mut count) = (self.start_container(depth)?, 0);
        let mut key = self.json.known_object()?;
        while let Some(name) = key {
            Packer(&mut self.out).text(name);
            let first = self.json.peek()?;
            self.value(first, depth + 1)?;
            count += 1;
            key = self.json.next_key()?;
        }
        self.write_header(start, count, true);
        Ok(())
    }

    /// Writes the header for which one byte was kept at `start`. A longer one moves the items: each byte at most once a
    /// level.
    fn write_header(&mut self, start: usize, count: usize, is_map: bool) {
        let mut head = Vec::new();
        let mut packer = Packer(&mut head);
        match (u8::try_from(count), is_map) {
            (Ok(count @ ..16), true) => return self.out[start] = 0x80 | count,
            (Ok(count @ ..16), false) => return self.out[start] = 0x90 | count,
            (_, true) => packer.map_header(count as u64),
            (_, false) => packer.array_header(count),
        }
        self.out.splice(start..=start, head);
    }

    fn number(&mut self, first: Peek) -> Result<(), JsonError> {
        let at = self.json.current_index();
        let digits = std::str::from_utf8(self.json.known_number_bytes(first)?)
            .map_err(|_| JsonError::Unexpected { at })?;
        let mut packer = Packer(&mut self.out);
        if digits.contains(['.', 'e', 'E', 'N', 'I']) {
            // A number too large for a float is infinite, as in Python. Rust reads NaN and Infinity by Python's names.
            packer.float(digits.parse().map_err(|_| JsonError::Unexpected { at })?);
        } else if digits.starts_with('-') {
            packer.signed(digits.parse().map_err(|_| JsonError::LargeInteger { at })?);
        } else {
            packer.unsigned(digits.parse().map_err(|_| JsonError::LargeInteger { at })?);
        }
        Ok(())
    }
}
