//! The errors of `wasi:http`.

use super::HttpError;
use crate::bindings::requester_world::wasi::http::types;

impl From<types::ErrorCode> for HttpError {
    fn from(code: types::ErrorCode) -> Self {
        use types::ErrorCode as Code;
        match code {
            Code::HttpRequestDenied => Self::Denied,
            Code::DestinationIpProhibited => Self::PrivateAddress,
            Code::DnsTimeout
            | Code::ConnectionTimeout
            | Code::ConnectionReadTimeout
            | Code::ConnectionWriteTimeout
            | Code::HttpResponseTimeout => Self::Timeout,
            Code::HttpRequestBodySize(_) | Code::HttpResponseBodySize(_) => Self::TooLarge,
            Code::HttpRequestUriInvalid | Code::HttpRequestMethodInvalid => {
                Self::InvalidRequest(format!("{code:?}"))
            }
            other => Self::Other(format!("{other:?}")),
        }
    }
}
