//! The class with which the runtime of a language starts.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};
use thiserror::Error;

/// The most bytes of an entry point.
const MAX_LEN: usize = 255;

/// A class in the source of a plugin, written `module:Class`. A module of a package is written `package.module`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryPoint {
    text: String,
    module_len: usize,
}

/// The error of a text that is not an entry point.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0:?} is not an entry point; write \"module:Class\" or \"package.module:Class\", with names of letters a-z and \
     A-Z, digits and `_`"
)]
pub struct InvalidEntryPoint(String);

impl EntryPoint {
    /// The name of the module, such as `package.module`.
    pub fn module(&self) -> &str {
        &self.text[..self.module_len]
    }

    /// The name of the class.
    pub fn class(&self) -> &str {
        &self.text[self.module_len + 1..]
    }

    /// The text as the manifest has it, `module:Class`.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for EntryPoint {
    type Err = InvalidEntryPoint;

    fn from_str(text: &str) -> Result<Self, InvalidEntryPoint> {
        match text.split_once(':') {
            Some((module, class))
                if text.len() <= MAX_LEN
                    && module.split('.').all(is_identifier)
                    && is_identifier(class) =>
            {
                Ok(Self { text: text.to_owned(), module_len: module.len() })
            }
            _ => Err(InvalidEntryPoint(text.to_owned())),
        }
    }
}

impl<'de> Deserialize<'de> for EntryPoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl fmt::Display for EntryPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn is_identifier(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(is_allowed) && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_point_has_a_module_and_a_class() {
        let entry: EntryPoint = "app.chat_2:ChatConsumer".parse().unwrap();
        assert_eq!((entry.module(), entry.class()), ("app.chat_2", "ChatConsumer"));
    }

    #[test]
    fn a_text_that_is_not_a_module_and_a_class_is_refused() {
        let long = format!("{}:Chat", "m".repeat(MAX_LEN));
        for text in [
            "",
            ":",
            "chat",
            "chat:",
            ":Chat",
            "chat:Chat:x",
            "chat..a:Chat",
            ".chat:Chat",
            "2:Chat",
            "chat:2",
            "chat: Chat",
            "chat/a:Chat",
            "chat:Chat()",
            "chät:Chat",
            "chat\0:Chat",
            &long,
        ] {
            assert!(text.parse::<EntryPoint>().is_err(), "{text:?}");
        }
    }
}
