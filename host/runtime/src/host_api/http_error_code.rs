//! The error of a body, as `wasi:http/types.http-error-code` reports it.

use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;

/// Converts the error that ended a body into an error that `http-error-code` can report. The streams of the crate have
/// errors of another type.
pub(crate) fn to_http_error_code(error: wasmtime::Error) -> wasmtime::Error {
    match error.downcast_ref() {
        Some(Error::HttpResponseBodySize(most)) => ErrorCode::HttpResponseBodySize(*most).into(),
        Some(Error::ConnectionReadTimeout) => ErrorCode::ConnectionReadTimeout.into(),
        Some(Error::HttpProtocolError) => ErrorCode::HttpProtocolError.into(),
        _ => error,
    }
}
