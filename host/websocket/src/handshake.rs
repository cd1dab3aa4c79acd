//! The opening handshake of RFC 6455, section 4.2.
//!
//! [`accept()`] reads one HTTP request, waits for the caller's decision about it, writes the response, and returns the
//! open socket together with the value of the decision. hyper reads and writes the HTTP.

mod accept;
mod body_error;
mod decision;
mod forwarded_headers;
mod handshake_error;
mod handshake_request;
mod http_exchange;
mod http_response;
mod peer_info;
mod proxy_protocol;
mod response;
mod upgrade;

pub use accept::{HandshakeLimits, HandshakeOutcome, accept};
pub use body_error::BodyError;
pub use decision::Decision;
pub use handshake_error::HandshakeError;
pub use handshake_request::{HandshakeRequest, ScopeOverrides};
pub use http_exchange::MAX_HEAD_BYTES;
pub use http_response::HttpResponse;
pub use peer_info::PeerInfo;
pub use proxy_protocol::read_proxy_header;
