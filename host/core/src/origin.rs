//! The hosts that a handshake may name, and the origins that it may come from.
//!
//! The rules are those of Django's `ALLOWED_HOSTS` (`django/http/request.py`, `validate_host`) and of Channels'
//! `OriginValidator` (`channels/security/websocket.py`).

mod authority;
mod host_pattern;
mod http_target;
mod origin_pattern;
mod request_origin;

pub use authority::{host_from_authority, is_valid_authority, split_host_port};
pub use host_pattern::HostPattern;
pub use http_target::HttpTarget;
pub use origin_pattern::OriginPattern;
pub use request_origin::Origin;

#[cfg(test)]
mod tests;
