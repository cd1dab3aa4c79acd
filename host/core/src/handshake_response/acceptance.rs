//! Acceptance of a handshake.

use super::handshake_response_error::HandshakeResponseError;
use super::header_check::{check_headers, headers_size};
use crate::scope::Headers;

/// The consumer accepts the connection with the status 101.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acceptance {
    /// The chosen subprotocol, one that the client offered.
    pub subprotocol: Option<String>,
    /// Headers of the response.
    pub headers: Headers,
}

impl Acceptance {
    /// The size of the response, in bytes.
    pub fn size(&self) -> usize {
        headers_size(&self.headers) + self.subprotocol.as_ref().map_or(0, String::len)
    }

    /// Checks the response against the subprotocols that the client `offered`.
    ///
    /// # Errors
    /// The subprotocol was not offered, or the headers are not allowed.
    pub fn check(&self, offered: &[String]) -> Result<(), HandshakeResponseError> {
        if let Some(chosen) = &self.subprotocol
            && !offered.contains(chosen)
        {
            return Err(HandshakeResponseError::SubprotocolNotOffered {
                chosen: chosen.clone(),
                offered: offered.to_vec(),
            });
        }
        check_headers(&self.headers)
    }
}
