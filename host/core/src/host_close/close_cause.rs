//! Those who can cause a close of the host.

use std::fmt;

/// Someone or something that can cause a close of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCause {
    /// The client.
    Client,
    /// The network between the client and the host.
    Network,
    /// The operator.
    Operator,
    /// The plugin.
    Plugin,
}

impl fmt::Display for CloseCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Network => "network",
            Self::Operator => "operator",
            Self::Plugin => "plugin",
        })
    }
}
