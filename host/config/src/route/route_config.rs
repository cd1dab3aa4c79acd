//! The checked settings of a route.

use serde::Deserialize;

use super::RoutePattern;
use narrowboat_core::units::ByteSize;

/// A route from paths to a plugin.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteConfig {
    /// The paths that the route matches.
    pub pattern: RoutePattern,
    /// The plugin that serves the route.
    pub plugin: String,
    /// The largest message of a client on this route; `None`: `max_message` of the host.
    pub max_message: Option<ByteSize>,
    /// How connections compress messages; `None`: they do not.
    pub deflate: Option<DeflateMode>,
}

/// How permessage-deflate compresses the messages of a connection (RFC 7692, section 7.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeflateMode {
    /// Each message is compressed on its own. An idle connection keeps no buffers.
    NoContextTakeover,
    /// A message is compressed with the ones before it, which takes about 300 KiB for each connection. This is better
    /// for many small messages that are alike.
    ContextTakeover,
}
