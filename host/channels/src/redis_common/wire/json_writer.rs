//! Transcoding of a message from MessagePack to the JSON that `json.dumps` writes.

use std::io::Write;

use super::wire_address::{ADDRESS_KEY, WireAddress};
use super::wire_error::WireError;
use narrowboat_core::message::{Message, MessageError, MsgpackReader, Value};

/// Appends the body: the message without any address of its own, and the address `to`.
pub(super) fn write(
    body: &mut Vec<u8>,
    message: &Message,
    to: WireAddress<'_>,
) -> Result<(), WireError> {
    let mut writer = JsonWriter { reader: MsgpackReader::new(message.bytes()), out: body };
    let Value::Map(pairs) = writer.reader.value()? else {
        return Err(MessageError::NotAMap.into());
    };
    writer.out.push(b'{');
    let mut is_first = true;
    for _ in 0..pairs {
        match writer.reader.value()? {
            Value::Text(ADDRESS_KEY) => writer.reader.skip_value()?,
            key => {
                writer.write_separator(&mut is_first);
                writer.write_pair(key, 0)?;
            }
        }
    }
    if to != WireAddress::Implicit {
        writer.write_separator(&mut is_first);
        writer.write_address(to);
    }
    writer.out.push(b'}');
    Ok(())
}

/// Transcodes a message. Its depth was checked when it was parsed, so the recursion is bounded.
struct JsonWriter<'a> {
    reader: MsgpackReader<'a>,
    out: &'a mut Vec<u8>,
}

impl JsonWriter<'_> {
    /// Writes the next value.
    fn write_value(&mut self) -> Result<(), WireError> {
        let at = self.reader.at();
        match self.reader.value()? {
            Value::Nil => self.out.extend_from_slice(b"null"),
            Value::Bool(true) => self.out.extend_from_slice(b"true"),
            Value::Bool(false) => self.out.extend_from_slice(b"false"),
            Value::Unsigned(number) => self.write_display(format_args!("{number}")),
            Value::Signed(number) => self.write_display(format_args!("{number}")),
            Value::Float(number) => self.write_float(number),
            Value::Text(text) => self.write_string(text),
            Value::Bytes(_) => return Err(WireError::BytesInJson { at }),
            Value::List(items) => self.write_list(items)?,
            Value::Map(pairs) => self.write_map(pairs)?,
        }
        Ok(())
    }

    fn write_list(&mut self, items: u64) -> Result<(), WireError> {
        self.out.push(b'[');
        let mut is_first = true;
        for _ in 0..items {
            self.write_separator(&mut is_first);
            self.write_value()?;
        }
        self.out.push(b']');
        Ok(())
    }

    fn write_map(&mut self, pairs: u64) -> Result<(), WireError> {
        self.out.push(b'{');
        let mut is_first = true;
        for _ in 0..pairs {
            self.write_separator(&mut is_first);
            let at = self.reader.at();
            let key = self.reader.value()?;
            self.write_pair(key, at)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    /// Writes a key, which is at byte `at` of the message, and the value that follows.
    fn write_pair(&mut self, key: Value<'_>, at: usize) -> Result<(), WireError> {
        match key {
            Value::Text(key) => self.write_string(key),
            Value::Bytes(_) => return Err(WireError::BytesInJson { at }),
            _ => return Err(MessageError::InvalidKey { at }.into()),
        }
        self.out.extend_from_slice(b": ");
        self.write_value()
    }

    fn write_address(&mut self, to: WireAddress<'_>) {
        self.write_string(ADDRESS_KEY);
        self.out.extend_from_slice(b": ");
        match to {
            WireAddress::Implicit => self.out.extend_from_slice(b"null"),
            WireAddress::Channel(name) => self.write_string(name),
            WireAddress::Channels(names) => {
                self.out.push(b'[');
                let mut is_first = true;
                for name in names {
                    self.write_separator(&mut is_first);
                    self.write_string(name);
                }
                self.out.push(b']');
            }
        }
    }

    fn write_separator(&mut self, is_first: &mut bool) {
        if !std::mem::take(is_first) {
            self.out.extend_from_slice(b", ");
        }
    }

    /// Writes a float as Python's `repr` does. Rust's `Debug` differs only in the exponent: `e+16`, `e-05`.
    fn write_float(&mut self, number: f64) {
        if number.is_nan() {
            return self.out.extend_from_slice(b"NaN");
        }
        if number.is_infinite() {
            let infinity = if number > 0.0 { "Infinity" } else { "-Infinity" };
            return self.out.extend_from_slice(infinity.as_bytes());
        }
        let start = self.out.len();
        self.write_display(format_args!("{number:?}"));
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

    /// Writes a string in quotes. Escapes everything that is not printable ASCII.
    fn write_string(&mut self, text: &str) {
        self.out.push(b'"');
        let mut rest = text;
        while let Some(plain) = rest.find(|character| !is_plain(character)) {
            self.out.extend_from_slice(&rest.as_bytes()[..plain]);
            let mut characters = rest[plain..].chars();
            if let Some(character) = characters.next() {
                self.write_escape(character);
            }
            rest = characters.as_str();
        }
        self.out.extend_from_slice(rest.as_bytes());
        self.out.push(b'"');
    }

    fn write_escape(&mut self, character: char) {
        let short = match character {
            '"' | '\\' => character,
            '\n' => 'n',
            '\r' => 'r',
            '\t' => 't',
            '\u{8}' => 'b',
            '\u{c}' => 'f',
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    self.write_display(format_args!("\\u{unit:04x}"));
                }
                return;
            }
        };
        self.write_display(format_args!("\\{short}"));
    }

    fn write_display(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a Vec cannot fail.
        let _ = self.out.write_fmt(text);
    }
}

fn is_plain(character: char) -> bool {
    matches!(character, ' '..='~') && !matches!(character, '"' | '\\')
}
