//! `[admin]`: where the operator's tools ask.

use std::net::SocketAddr;

use serde::Deserialize;

/// The listener for the operator's tools.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdminConfig {
    /// The address; port 0 takes a free one.
    #[serde(deserialize_with = "super::address")]
    pub listen: SocketAddr,
}
