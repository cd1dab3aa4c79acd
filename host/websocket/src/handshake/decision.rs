//! The caller's decision about a handshake.

use narrowboat_config::DeflateMode;
use narrowboat_core::handshake_response::{Acceptance, Rejection};

use super::http_response::HttpResponse;

/// A decision about a handshake. `T` is the caller's own value for an accepted connection, such as its consumer.
pub enum Decision<T> {
    /// Responds with 101 and opens the WebSocket.
    Accept {
        /// The subprotocol and the headers of the 101.
        acceptance: Acceptance,
        /// The largest message that the client may send, in bytes.
        max_message: usize,
        /// How messages are compressed, if the client offers permessage-deflate. `None` disables compression.
        deflate: Option<DeflateMode>,
        /// The caller's value, returned with the open socket, or without it if the client disconnects first.
        handler: T,
    },
    /// Responds to a request that is not a WebSocket handshake.
    Respond(HttpResponse),
    /// Responds with the status, headers and body of the rejection.
    Reject(Rejection),
}
