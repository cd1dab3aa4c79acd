//! A message in MessagePack as the JSON that `json.dumps` writes.

use std::io::Write;

use super::super::address::{ADDRESS, To};
use super::super::error::WireError;
use narrowboat_core::message::{Message, MessageError, Reader, Value};

/// Appends the body: the message, for whom it is, and nothing that the message itself says about that.
pub(in super::super) fn write(
    body: &mut Vec<u8>,
    message: &Message,
    to: To<'_>,
) -> Result<(), WireError> {
    let mut writer = Writer { reader: Reader::new(message.bytes()), out: body };
    let Value::Map(pairs) = writer.reader.value()? else {
        return Err(MessageError::NotAMap.into());
    };
    writer.out.push(b'{');
    let mut is_first = true;
    for _ in 0..pairs {
        match writer.reader.value()? {
            Value::Text(ADDRESS) => writer.reader.skip()?,
            key => {
                writer.separate(&mut is_first);
                writer.pair(key, 0)?;
            }
        }
    }
    if to != To::Key {
        writer.separate(&mut is_first);
        writer.address(to);
    }
    writer.out.push(b'}');
    Ok(())
}

/// A message that is being rewritten. It was checked, so it is no deeper than recursion may go.
struct Writer<'a> {
    reader: Reader<'a>,
    out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    /// The next value.
    fn value(&mut self) -> Result<(), WireError> {
        let at = self.reader.at();
        match self.reader.value()? {
            Value::Nil => self.out.extend_from_slice(b"null"),
            Value::Bool(true) => self.out.extend_from_slice(b"true"),
            Value::Bool(false) => self.out.extend_from_slice(b"false"),
            Value::Unsigned(number) => self.show(format_args!("{number}")),
            Value::Signed(number) => self.show(format_args!("{number}")),
            Value::Float(number) => self.float(number),
            Value::Text(text) => self.text(text),
            Value::Bytes(_) => return Err(WireError::BytesInJson { at }),
            Value::List(items) => self.list(items)?,
            Value::Map(pairs) => self.map(pairs)?,
        }
        Ok(())
    }

    fn list(&mut self, items: u64) -> Result<(), WireError> {
        self.out.push(b'[');
        let mut is_first = true;
        for _ in 0..items {
            self.separate(&mut is_first);
            self.value()?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn map(&mut self, pairs: u64) -> Result<(), WireError> {
        self.out.push(b'{');
        let mut is_first = true;
        for _ in 0..pairs {
            self.separate(&mut is_first);
            let at = self.reader.at();
            let key = self.reader.value()?;
            self.pair(key, at)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    /// A key that stands at `at`, and the value that follows.
    fn pair(&mut self, key: Value<'_>, at: usize) -> Result<(), WireError> {
        match key {
            Value::Text(key) => self.text(key),
            Value::Bytes(_) => return Err(WireError::BytesInJson { at }),
            _ => return Err(MessageError::BadKey { at }.into()),
        }
        self.out.extend_from_slice(b": ");
        self.value()
    }

    fn address(&mut self, to: To<'_>) {
        self.text(ADDRESS);
        self.out.extend_from_slice(b": ");
        match to {
            To::Key => self.out.extend_from_slice(b"null"),
            To::Channel(name) => self.text(name),
            To::Channels(names) => {
                self.out.push(b'[');
                let mut is_first = true;
                for name in names {
                    self.separate(&mut is_first);
                    self.text(name);
                }
                self.out.push(b']');
            }
        }
    }

    fn separate(&mut self, is_first: &mut bool) {
        if !std::mem::take(is_first) {
            self.out.extend_from_slice(b", ");
        }
    }

    /// As `repr` writes it, which is as Rust's `Debug` does but for the exponent: `e+16`, `e-05`.
    fn float(&mut self, number: f64) {
        if number.is_nan() {
            return self.out.extend_from_slice(b"NaN");
        }
        if number.is_infinite() {
            let infinity = if number > 0.0 { "Infinity" } else { "-Infinity" };
            return self.out.extend_from_slice(infinity.as_bytes());
        }
        let start = self.out.len();
        self.show(format_args!("{number:?}"));
        let Some(exponent) = self.out[start..].iter().position(|&byte| byte == b'e') else {
            return;
        };
        let digits = start + exponent + 1;
        match self.out[digits..] {
            [b'-', _] => self.out.insert(digits + 1, b'0'),
            [b'-', ..] => {}
            _ => self.out.insert(digits, b'+'),
        }
    }

    /// In quotes, with everything escaped that is not printable ASCII.
    fn text(&mut self, text: &str) {
        self.out.push(b'"');
        let mut rest = text;
        while let Some(plain) = rest.find(|character| !is_plain(character)) {
            self.out.extend_from_slice(&rest.as_bytes()[..plain]);
            let mut characters = rest[plain..].chars();
            if let Some(character) = characters.next() {
                self.escaped(character);
            }
            rest = characters.as_str();
        }
        self.out.extend_from_slice(rest.as_bytes());
        self.out.push(b'"');
    }

    fn escaped(&mut self, character: char) {
        let short = match character {
            '"' | '\\' => character,
            '\n' => 'n',
            '\r' => 'r',
            '\t' => 't',
            '\u{8}' => 'b',
            '\u{c}' => 'f',
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    self.show(format_args!("\\u{unit:04x}"));
                }
                return;
            }
        };
        self.show(format_args!("\\{short}"));
    }

    fn show(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a Vec cannot fail.
        let _ = self.out.write_fmt(text);
    }
}

fn is_plain(character: char) -> bool {
    matches!(character, ' '..='~') && !matches!(character, '"' | '\\')
}
