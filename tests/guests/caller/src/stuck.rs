//! A request whose body is written but never sent.

use crate::bindings::wasi::http::types::{Fields, OutgoingRequest};

/// Writes until the host stops the call.
pub(crate) fn write_until_stopped() -> String {
    let request = OutgoingRequest::new(Fields::new());
    let (Ok(body), part) = (request.body(), [b'x'; 4_096]) else { return "no body".to_owned() };
    let Ok(stream) = body.write() else { return "no stream".to_owned() };
    let mut written = 0;
    while stream.blocking_write_and_flush(&part).is_ok() {
        written += part.len();
    }
    format!("{written} bytes")
}
