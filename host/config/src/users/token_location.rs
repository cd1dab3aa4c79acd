//! `from` of `[users.jwt]`.

use std::str::FromStr;

/// A place of a handshake that may have a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenLocation {
    /// `Authorization: Bearer TOKEN`.
    Header,
    /// A cookie of this name.
    Cookie(String),
    /// A query parameter of this name.
    Query(String),
    /// A subprotocol `bearer.TOKEN`, for browsers, whose pages cannot set headers. Consumers do not see it.
    Subprotocol,
}

impl FromStr for TokenLocation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "header" => Ok(Self::Header),
            None if text == "subprotocol" => Ok(Self::Subprotocol),
            Some(("cookie", name)) if !name.is_empty() => Ok(Self::Cookie(name.to_owned())),
            Some(("query", name)) if !name.is_empty() => Ok(Self::Query(name.to_owned())),
            _ => Err(format!(
                "{text:?} is not a place of a token; write \"header\", \"cookie:NAME\", \"query:NAME\" or \"subprotocol\""
            )),
        }
    }
}
