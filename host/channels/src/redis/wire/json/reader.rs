//! JSON as `json.loads` reads it, to MessagePack.
//!
//! serde_json would refuse NaN, which Python writes, and read some floats as their neighbours.

use super::super::packer::Packer;
use narrowboat_core::message::MAX_DEPTH;

/// Why bytes are no JSON that a message can be made of. Positions are in bytes from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JsonError {
    /// It is not UTF-8.
    #[error("byte {at} is not UTF-8")]
    NotUtf8 {
        /// The first byte that is not.
        at: usize,
    },
    /// What stands there cannot stand there; at the length of the whole, something is missing.
    #[error("byte {at} is not what may stand there")]
    Unexpected {
        /// Where it stands.
        at: usize,
    },
    /// Maps and lists lie deeper in each other than [`MAX_DEPTH`].
    #[error("the value at byte {at} lies deeper than {MAX_DEPTH} levels")]
    TooDeep {
        /// Where the map or list starts that is one too many.
        at: usize,
    },
    /// An integer that 64 bits do not hold.
    #[error("the integer at byte {at} does not fit in 64 bits")]
    LargeInteger {
        /// Where it starts.
        at: usize,
    },
    /// Half of a character beyond `\uffff`, which Python can write and UTF-8 cannot.
    #[error("the string that ends before byte {at} has half of a surrogate pair")]
    LoneSurrogate {
        /// Where the other half was missed.
        at: usize,
    },
}

/// The one value that `body` is, in MessagePack. A key that comes twice stays, twice.
pub(in super::super) fn read(body: &[u8]) -> Result<Vec<u8>, JsonError> {
    let text = std::str::from_utf8(body);
    let text = text.map_err(|error| JsonError::NotUtf8 { at: error.valid_up_to() })?;
    let out = Vec::with_capacity(body.len());
    let mut parser = Parser { text, at: 0, out, unescaped: String::new() };
    parser.value(0)?;
    parser.skip_space();
    if parser.at < text.len() {
        return Err(JsonError::Unexpected { at: parser.at });
    }
    // It waits as what it is, so without the room that escapes and spaces would have taken.
    parser.out.shrink_to_fit();
    Ok(parser.out)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    out: Vec<u8>,
    /// Where strings with escapes are put together.
    unescaped: String,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn unexpected<T>(&self) -> Result<T, JsonError> {
        Err(JsonError::Unexpected { at: self.at })
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Whether `wanted` comes next, and past it if so.
    fn take(&mut self, wanted: u8) -> bool {
        let comes = self.peek() == Some(wanted);
        self.at += usize::from(comes);
        comes
    }

    fn expect(&mut self, wanted: u8) -> Result<(), JsonError> {
        if self.take(wanted) { Ok(()) } else { self.unexpected() }
    }

    fn take_word(&mut self, word: &str) -> bool {
        let comes = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        self.at += if comes { word.len() } else { 0 };
        comes
    }

    /// The next value, with `depth` maps and lists around it.
    fn value(&mut self, depth: usize) -> Result<(), JsonError> {
        self.skip_space();
        match self.peek() {
            Some(b'"') => self.text(),
            Some(b'{') => self.container(depth, b'}', Self::pair),
            Some(b'[') => self.container(depth, b']', Self::value),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Result<(), JsonError> {
        if self.take_word("null") {
            self.pack().nil();
        } else if self.take_word("true") {
            self.pack().bool(true);
        } else if self.take_word("false") {
            self.pack().bool(false);
        } else if self.take_word("NaN") {
            self.pack().float(f64::NAN);
        } else if self.take_word("Infinity") {
            self.pack().float(f64::INFINITY);
        } else {
            return self.unexpected();
        }
        Ok(())
    }

    fn pack(&mut self) -> Packer<'_> {
        Packer(&mut self.out)
    }

    /// A list or a map up to `end`, of what `item` reads.
    fn container(
        &mut self,
        depth: usize,
        end: u8,
        item: fn(&mut Self, usize) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        if depth == MAX_DEPTH {
            return Err(JsonError::TooDeep { at: self.at });
        }
        self.at += 1;
        let start = self.out.len();
        self.out.push(0);
        let mut count = 0;
        self.skip_space();
        if !self.take(end) {
            loop {
                item(self, depth + 1)?;
                count += 1;
                self.skip_space();
                if self.take(end) {
                    break;
                }
                self.expect(b',')?;
            }
        }
        self.set_head(start, count, end == b'}');
        Ok(())
    }

    /// Writes the head for which one byte was kept at `start`. What has more items than that tells moves by the rest of
    /// its head: each byte at most once a level.
    fn set_head(&mut self, start: usize, count: usize, is_map: bool) {
        let mut head = Vec::new();
        let mut packer = Packer(&mut head);
        match (u8::try_from(count), is_map) {
            (Ok(count @ ..16), true) => return self.out[start] = 0x80 | count,
            (Ok(count @ ..16), false) => return self.out[start] = 0x90 | count,
            (_, true) => packer.map(count as u64),
            (_, false) => packer.list(count),
        }
        self.out.splice(start..=start, head);
    }

    fn pair(&mut self, depth: usize) -> Result<(), JsonError> {
        self.skip_space();
        if self.peek() != Some(b'"') {
            return self.unexpected();
        }
        self.text()?;
        self.skip_space();
        self.expect(b':')?;
        self.value(depth)
    }

    fn number(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        let is_negative = self.take(b'-');
        if is_negative && self.take_word("Infinity") {
            self.pack().float(f64::NEG_INFINITY);
            return Ok(());
        }
        if !self.take(b'0') {
            self.digits()?;
        }
        let mut is_float = false;
        if self.take(b'.') {
            is_float = true;
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            is_float = true;
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        let digits = &self.text[start..self.at];
        if is_float {
            // One that is too large is infinite, as in Python.
            let number = digits.parse().map_err(|_| JsonError::Unexpected { at: start })?;
            self.pack().float(number);
        } else if is_negative {
            let number = digits.parse().map_err(|_| JsonError::LargeInteger { at: start })?;
            self.pack().signed(number);
        } else {
            let number = digits.parse().map_err(|_| JsonError::LargeInteger { at: start })?;
            self.pack().unsigned(number);
        }
        Ok(())
    }

    /// One digit at least.
    fn digits(&mut self) -> Result<(), JsonError> {
        let rest = &self.text.as_bytes()[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count == 0 { self.unexpected() } else { Ok(()) }
    }

    fn text(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        let plain = self.plain();
        if self.take(b'"') {
            self.pack().text(plain);
            return Ok(());
        }
        self.unescaped.clear();
        self.unescaped.push_str(plain);
        while !self.take(b'"') {
            self.expect(b'\\')?;
            let character = self.escaped()?;
            self.unescaped.push(character);
            let plain = self.plain();
            self.unescaped.push_str(plain);
        }
        Packer(&mut self.out).text(&self.unescaped);
        Ok(())
    }

    /// What stands in a string up to the next quote, escape or control character, which may not stand there.
    fn plain(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let ends = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
        let plain = &rest[..rest.bytes().position(|byte| ends(&byte)).unwrap_or(rest.len())];
        self.at += plain.len();
        plain
    }

    /// What follows a backslash.
    fn escaped(&mut self) -> Result<char, JsonError> {
        let character = match self.peek() {
            Some(b'u') => return self.code_point(),
            Some(byte @ (b'"' | b'\\' | b'/')) => byte.into(),
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            _ => return self.unexpected(),
        };
        self.at += 1;
        Ok(character)
    }

    /// One `uXXXX`, or two that are a pair.
    fn code_point(&mut self) -> Result<char, JsonError> {
        let first = self.unit()?;
        let mut units = [first, 0];
        let mut len = 1;
        if matches!(first, 0xd800..=0xdbff) && self.take(b'\\') {
            units[1] = self.unit()?;
            len = 2;
        }
        let mut characters = char::decode_utf16(units[..len].iter().copied());
        match (characters.next(), characters.next()) {
            (Some(Ok(character)), None) => Ok(character),
            _ => Err(JsonError::LoneSurrogate { at: self.at }),
        }
    }

    fn unit(&mut self) -> Result<u16, JsonError> {
        self.expect(b'u')?;
        let digits = self.text.as_bytes()[self.at..].first_chunk::<4>();
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        let unit = digits.and_then(|digits| {
            digits
                .iter()
                .try_fold(0, |unit, byte| Some(unit << 4 | u16::try_from(digit(byte)?).ok()?))
        });
        match unit {
            Some(unit) => {
                self.at += 4;
                Ok(unit)
            }
            None => self.unexpected(),
        }
    }
}
