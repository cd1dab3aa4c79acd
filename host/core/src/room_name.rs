//! The names of rooms.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// The most bytes of a name.
pub const MAX_ROOM_NAME_BYTES: usize = 512;

/// The name of a room within its plugin, made by a [`RoomTemplate`](crate::room_template::RoomTemplate).
///
/// Characters of URL parameters that are neither letters nor digits nor one of `-._~` are percent-encoded, so that a
/// value cannot contain a separator of the template, and names can be shown in a terminal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomName(Arc<str>);

/// The reason why a connection has no room.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RoomNameError {
    /// The route has no parameter of this name.
    #[error("the route has no parameter {{{0}}}, which `room` in the manifest names")]
    MissingParameter(String),
    /// The name is too long.
    #[error("the name of the room has more than {MAX_ROOM_NAME_BYTES} bytes")]
    TooLong,
}

impl RoomName {
    /// The name that a template has made.
    pub(crate) fn new(name: String) -> Self {
        Self(Arc::from(name))
    }

    /// Returns the name of a room that was written before, in a store or by an operator; `None` if no template makes it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_valid = |c: char| is_plain(c) || is_separator(c) || c == '%';
        let fits = (1..=MAX_ROOM_NAME_BYTES).contains(&text.len());
        (fits && text.chars().all(is_valid)).then(|| Self(Arc::from(text)))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Whether a character stands for itself in a name.
pub(crate) fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | '~')
}

/// Whether a character separates parameters. No value of a parameter has it in a name.
pub(crate) fn is_separator(c: char) -> bool {
    matches!(c, '/' | ':')
}
