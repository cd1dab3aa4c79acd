//! The template of the names of rooms.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};
use thiserror::Error;

use crate::room_name::{MAX_ROOM_NAME_BYTES, RoomName, RoomNameError, is_plain, is_separator};

/// The template of the names of a plugin's rooms: one or several URL parameters, such as `{room}` or `{team}/{room}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomTemplate {
    text: String,
    parts: Vec<TemplatePart>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum TemplatePart {
    Literal(String),
    Parameter(String),
}

/// The error of a text that is not a template.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0:?} is not a template of rooms; write the URL parameters that name a room, such as \"{{room}}\" or \
     \"{{team}}/{{room}}\", with a `/` or `:` between two parameters"
)]
pub struct InvalidRoomTemplate(String);

impl RoomTemplate {
    /// The text as the manifest has it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names of the URL parameters.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            TemplatePart::Parameter(name) => Some(&**name),
            TemplatePart::Literal(_) => None,
        })
    }

    /// Makes the name of a room from the named captures of a route.
    ///
    /// # Errors
    /// If a capture is missing, or the name is too long.
    pub fn room_name(&self, captures: &[(String, String)]) -> Result<RoomName, RoomNameError> {
        let mut name = String::new();
        for part in &self.parts {
            match part {
                TemplatePart::Literal(text) => name.push_str(text),
                TemplatePart::Parameter(parameter) => {
                    let value = captures.iter().find(|(name, _)| name == parameter);
                    let missing = || RoomNameError::MissingParameter(parameter.clone());
                    push_encoded(&mut name, &value.ok_or_else(missing)?.1);
                }
            }
        }
        match name.len() {
            1..=MAX_ROOM_NAME_BYTES => Ok(RoomName::new(name)),
            _ => Err(RoomNameError::TooLong),
        }
    }
}

/// Appends the value of a parameter, percent-encoded.
fn push_encoded(name: &mut String, value: &str) {
    for c in value.chars() {
        if is_plain(c) {
            name.push(c);
        } else {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                name.push_str(&format!("%{byte:02X}"));
            }
        }
    }
}

impl FromStr for RoomTemplate {
    type Err = InvalidRoomTemplate;

    fn from_str(text: &str) -> Result<Self, InvalidRoomTemplate> {
        let parts = parse_parts(text).ok_or_else(|| InvalidRoomTemplate(text.to_owned()))?;
        Ok(Self { text: text.to_owned(), parts })
    }
}

/// Parses the parts of a template. `None` if it has no parameter, a wrong name or character, or two parameters without a
/// separator between them.
fn parse_parts(text: &str) -> Option<Vec<TemplatePart>> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some((literal, tail)) = rest.split_once('{') {
        let (name, after) = tail.split_once('}')?;
        let is_separated = parts.is_empty() || literal.contains(is_separator);
        if !is_separated || !is_literal(literal) || !is_parameter(name) {
            return None;
        }
        parts.extend([
            TemplatePart::Literal(literal.to_owned()),
            TemplatePart::Parameter(name.to_owned()),
        ]);
        rest = after;
    }
    parts.push(TemplatePart::Literal(rest.to_owned()));
    (parts.len() > 1 && is_literal(rest) && text.len() <= MAX_ROOM_NAME_BYTES).then_some(parts)
}

fn is_literal(text: &str) -> bool {
    text.chars().all(|c| is_plain(c) || is_separator(c))
}

/// Whether a text can be the name of a parameter of a route.
fn is_parameter(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(is_allowed) && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
}

impl<'de> Deserialize<'de> for RoomTemplate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl fmt::Display for RoomTemplate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> RoomTemplate {
        text.parse().unwrap()
    }

    fn captures(values: &[(&str, &str)]) -> Vec<(String, String)> {
        values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn room(text: &str, values: &[(&str, &str)]) -> String {
        template(text).room_name(&captures(values)).unwrap().to_string()
    }

    #[test]
    fn a_name_has_the_parameters_of_the_url() {
        assert_eq!(room("{room}", &[("room", "red")]), "red");
        assert_eq!(room("{team}/{room}", &[("room", "red"), ("team", "acme")]), "acme/red");
        assert_eq!(room("game:{room}", &[("room", "grün")]), "game:grün");
    }

    #[test]
    fn different_parameters_have_different_names() {
        let slashes = [("team", "a/b"), ("room", "c")];
        assert_eq!(room("{team}/{room}", &slashes), "a%2Fb/c");
        assert_ne!(
            room("{team}/{room}", &slashes),
            room("{team}/{room}", &[("team", "a"), ("room", "b/c")])
        );
        assert_eq!(room("{room}", &[("room", "a%2Fb")]), "a%252Fb");
        assert_eq!(room("{room}", &[("room", "a\u{1b}[m")]), "a%1B%5Bm");
    }

    #[test]
    fn a_name_can_be_parsed_again() {
        let name = template("{team}/{room}")
            .room_name(&captures(&[("team", "ä b"), ("room", "~")]))
            .unwrap();
        assert_eq!(RoomName::parse(name.as_str()), Some(name));
        for text in ["", "a b", "a\n", &"a".repeat(MAX_ROOM_NAME_BYTES + 1)] {
            assert_eq!(RoomName::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_missing_parameter_and_a_long_name_are_errors() {
        let long = "r".repeat(MAX_ROOM_NAME_BYTES + 1);
        let room = |values: &[(&str, &str)]| template("{room}").room_name(&captures(values));
        assert_eq!(room(&[]), Err(RoomNameError::MissingParameter("room".to_owned())));
        assert_eq!(room(&[("room", &long)]), Err(RoomNameError::TooLong));
    }

    #[test]
    fn a_text_that_names_no_room_is_refused() {
        for text in
            ["", "lobby", "{}", "{1}", "{a}{b}", "{a}-{b}", "{a", "a}", "{a b}", "{a} b", "{a}/{b"]
        {
            assert!(text.parse::<RoomTemplate>().is_err(), "{text:?}");
        }
    }
}
