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
    let mut parser = JsonParser { text, position: 0, out, unescaped: String::new() };
    parser.parse_value(0)?;
    parser.skip_whitespace();
    if parser.position < text.len() {
        return Err(JsonError::Unexpected { at: parser.position });
    }
    // It waits as what it is, so without the room that escapes and spaces would have taken.
    parser.out.shrink_to_fit();
    Ok(parser.out)
}

struct JsonParser<'a> {
    text: &'a str,
    position: usize,
    out: Vec<u8>,
    /// Where strings with escapes are put together.
    unescaped: String,
}

impl<'a> JsonParser<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    fn unexpected<T>(&self) -> Result<T, JsonError> {
        Err(JsonError::Unexpected { at: self.position })
    }

    fn skip_whitespace(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.position += 1;
        }
    }

    /// Whether `wanted` comes next, and past it if so.
    fn consume(&mut self, wanted: u8) -> bool {
        let comes = self.peek() == Some(wanted);
        self.position += usize::from(comes);
        comes
    }

    fn expect(&mut self, wanted: u8) -> Result<(), JsonError> {
        if self.consume(wanted) { Ok(()) } else { self.unexpected() }
    }

    fn consume_literal(&mut self, word: &str) -> bool {
        let comes = self.text.as_bytes()[self.position..].starts_with(word.as_bytes());
        self.position += if comes { word.len() } else { 0 };
        comes
    }

    /// The next value, with `depth` maps and lists around it.
    fn parse_value(&mut self, depth: usize) -> Result<(), JsonError> {
        self.skip_whitespace();
        match self.peek() {
            Some(b'"') => self.parse_string(),
            Some(b'{') => self.parse_container(depth, b'}', Self::parse_pair),
            Some(b'[') => self.parse_container(depth, b']', Self::parse_value),
            Some(b'-' | b'0'..=b'9') => self.parse_number(),
            _ => self.parse_literal(),
        }
    }

    fn parse_literal(&mut self) -> Result<(), JsonError> {
        if self.consume_literal("null") {
            self.packer().nil();
        } else if self.consume_literal("true") {
            self.packer().bool(true);
        } else if self.consume_literal("false") {
            self.packer().bool(false);
        } else if self.consume_literal("NaN") {
            self.packer().float(f64::NAN);
        } else if self.consume_literal("Infinity") {
            self.packer().float(f64::INFINITY);
        } else {
            return self.unexpected();
        }
        Ok(())
    }

    fn packer(&mut self) -> Packer<'_> {
        Packer(&mut self.out)
    }

    /// A list or a map up to `end`, of what `item` reads.
    fn parse_container(
        &mut self,
        depth: usize,
        end: u8,
        item: fn(&mut Self, usize) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        if depth == MAX_DEPTH {
            return Err(JsonError::TooDeep { at: self.position });
        }
        self.position += 1;
        let start = self.out.len();
        self.out.push(0);
        let mut count = 0;
        self.skip_whitespace();
        if !self.consume(end) {
            loop {
                item(self, depth + 1)?;
                count += 1;
                self.skip_whitespace();
                if self.consume(end) {
                    break;
                }
                self.expect(b',')?;
            }
        }
        self.write_header(start, count, end == b'}');
        Ok(())
    }

    /// Writes the head for which one byte was kept at `start`. What has more items than that tells moves by the rest of
    /// its head: each byte at most once a level.
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

    fn parse_pair(&mut self, depth: usize) -> Result<(), JsonError> {
        self.skip_whitespace();
        if self.peek() != Some(b'"') {
            return self.unexpected();
        }
        self.parse_string()?;
        self.skip_whitespace();
        self.expect(b':')?;
        self.parse_value(depth)
    }

    fn parse_number(&mut self) -> Result<(), JsonError> {
        let start = self.position;
        let is_negative = self.consume(b'-');
        if is_negative && self.consume_literal("Infinity") {
            self.packer().float(f64::NEG_INFINITY);
            return Ok(());
        }
        if !self.consume(b'0') {
            self.skip_digits()?;
        }
        let mut is_float = false;
        if self.consume(b'.') {
            is_float = true;
            self.skip_digits()?;
        }
        if self.consume(b'e') || self.consume(b'E') {
            is_float = true;
            let _ = self.consume(b'+') || self.consume(b'-');
            self.skip_digits()?;
        }
        let digits = &self.text[start..self.position];
        if is_float {
            // One that is too large is infinite, as in Python.
            let number = digits.parse().map_err(|_| JsonError::Unexpected { at: start })?;
            self.packer().float(number);
        } else if is_negative {
            let number = digits.parse().map_err(|_| JsonError::LargeInteger { at: start })?;
            self.packer().signed(number);
        } else {
            let number = digits.parse().map_err(|_| JsonError::LargeInteger { at: start })?;
            self.packer().unsigned(number);
        }
        Ok(())
    }

    /// One digit at least.
    fn skip_digits(&mut self) -> Result<(), JsonError> {
        let rest = &self.text.as_bytes()[self.position..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.position += count;
        if count == 0 { self.unexpected() } else { Ok(()) }
    }

    fn parse_string(&mut self) -> Result<(), JsonError> {
        self.position += 1;
        let plain = self.scan_unescaped();
        if self.consume(b'"') {
            self.packer().text(plain);
            return Ok(());
        }
        self.unescaped.clear();
        self.unescaped.push_str(plain);
        while !self.consume(b'"') {
            self.expect(b'\\')?;
            let character = self.parse_escape()?;
            self.unescaped.push(character);
            let plain = self.scan_unescaped();
            self.unescaped.push_str(plain);
        }
        Packer(&mut self.out).text(&self.unescaped);
        Ok(())
    }

    /// What stands in a string up to the next quote, escape or control character, which may not stand there.
    fn scan_unescaped(&mut self) -> &'a str {
        let rest = &self.text[self.position..];
        let ends = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
        let plain = &rest[..rest.bytes().position(|byte| ends(&byte)).unwrap_or(rest.len())];
        self.position += plain.len();
        plain
    }

    /// What follows a backslash.
    fn parse_escape(&mut self) -> Result<char, JsonError> {
        let character = match self.peek() {
            Some(b'u') => return self.parse_unicode_escape(),
            Some(byte @ (b'"' | b'\\' | b'/')) => byte.into(),
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            _ => return self.unexpected(),
        };
        self.position += 1;
        Ok(character)
    }

    /// One `uXXXX`, or two that are a pair.
    fn parse_unicode_escape(&mut self) -> Result<char, JsonError> {
        let first = self.parse_utf16_unit()?;
        let mut units = [first, 0];
        let mut len = 1;
        if matches!(first, 0xd800..=0xdbff) && self.consume(b'\\') {
            units[1] = self.parse_utf16_unit()?;
            len = 2;
        }
        let mut characters = char::decode_utf16(units[..len].iter().copied());
        match (characters.next(), characters.next()) {
            (Some(Ok(character)), None) => Ok(character),
            _ => Err(JsonError::LoneSurrogate { at: self.position }),
        }
    }

    fn parse_utf16_unit(&mut self) -> Result<u16, JsonError> {
        self.expect(b'u')?;
        let digits = self.text.as_bytes()[self.position..].first_chunk::<4>();
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        let unit = digits.and_then(|digits| {
            digits
                .iter()
                .try_fold(0, |unit, byte| Some(unit << 4 | u16::try_from(digit(byte)?).ok()?))
        });
        match unit {
            Some(unit) => {
                self.position += 4;
                Ok(unit)
            }
            None => self.unexpected(),
        }
    }
}
