use std::fmt;

use serde::de::DeserializeOwned;

use crate::bindings::narrowboat::consumer::types;

/// The longest reason that fits into a Close frame, in bytes.
const MAX_REASON_BYTES: usize = 123;

/// The close code of RFC 6455, section 7.4.1, for data that does not match the type of the message.
const INVALID_PAYLOAD_DATA: u16 = 1007;

/// An error that the client caused, with the close code and the reason that the client gets.
///
/// `?` converts it into an [`Error`](crate::Error) that blames the client. In `connect`, `?` converts it into a
/// [`Deny`](crate::Deny) with status 400.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientError {
    code: u16,
    reason: String,
}

impl ClientError {
    /// Creates an error with this close code and reason. `code` is 1007 or 4000 to 4999; the host treats any other code
    /// as a failure of the plugin. The client gets the first 123 bytes of `reason`.
    pub fn new(code: u16, reason: impl fmt::Display) -> Self {
        let mut reason = reason.to_string();
        reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
        Self { code, reason }
    }

    /// Creates an error for invalid data, with code 1007.
    pub fn invalid_data(reason: impl fmt::Display) -> Self {
        Self::new(INVALID_PAYLOAD_DATA, reason)
    }

    /// Replaces the close code: 1007 or 4000 to 4999.
    #[must_use]
    pub fn with_code(mut self, code: u16) -> Self {
        self.code = code;
        self
    }

    /// Replaces the reason. The client gets its first 123 bytes.
    #[must_use]
    pub fn with_reason(self, reason: impl fmt::Display) -> Self {
        Self::new(self.code, reason)
    }

    /// The close code.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The reason that the client gets.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.reason, self.code)
    }
}

impl std::error::Error for ClientError {}

impl From<ClientError> for types::ClientError {
    fn from(error: ClientError) -> Self {
        Self { code: error.code, reason: error.reason }
    }
}

/// Converts any error into one that blames the client.
///
/// ```
/// use narrowboat_guest::prelude::*;
///
/// fn parse_seat(text: &str) -> Result<u8, Error> {
///     let number: u8 = text.parse().or_client_error(4400)?;
///     Ok(number)
/// }
/// assert_eq!(parse_seat("x").unwrap_err().client_error().map(ClientError::code), Some(4400));
/// ```
pub trait ClientErrorExt<T> {
    /// Replaces an error with a [`ClientError`] that has this code (1007 or 4000 to 4999) and the error's text as the
    /// reason.
    ///
    /// # Errors
    /// The [`ClientError`], if `self` is an error.
    fn or_client_error(self, code: u16) -> Result<T, ClientError>;
}

impl<T, E: fmt::Display> ClientErrorExt<T> for Result<T, E> {
    fn or_client_error(self, code: u16) -> Result<T, ClientError> {
        self.map_err(|error| ClientError::new(code, error))
    }
}

/// Parses JSON that a client sent, such as the text of [`Consumer::receive_text`](crate::Consumer::receive_text).
///
/// `serde_json::from_str(&text)?` parses the same JSON but blames the plugin, because a `serde_json::Error` does not
/// say where its input came from.
///
/// # Errors
/// A [`ClientError`] with code 1007 if the text is not JSON or does not match `T`.
pub fn parse_client_json<T: DeserializeOwned>(json: impl AsRef<[u8]>) -> Result<T, ClientError> {
    serde_json::from_slice(json.as_ref()).map_err(|error| {
        ClientError::invalid_data(format_args!("not the JSON that is expected: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut_to_fit_into_a_close_frame() {
        assert_eq!(ClientError::new(4000, "é".repeat(80)).reason().len(), 122);
        let long = parse_client_json::<u8>(format!("\"{}\"", "x".repeat(500))).unwrap_err();
        assert_eq!((long.code(), long.reason().len()), (1007, 123));
    }

    #[test]
    fn the_reason_names_the_position_of_the_error_in_the_json() {
        let error = parse_client_json::<Vec<u8>>("[1, x]").unwrap_err();
        assert_eq!(
            error.reason(),
            "not the JSON that is expected: expected value at line 1 column 5"
        );
    }
}
