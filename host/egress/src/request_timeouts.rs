//! The timeouts that a plugin sets for a request.

use std::time::Duration;

use narrowboat_config::RequestsConfig;

/// The timeouts that a plugin sets for a request. They can only shorten those of the host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestTimeouts {
    /// Time from the lookup of the name to the connection.
    pub connect: Option<Duration>,
    /// Time from the connection to the head of the response.
    pub first_byte: Option<Duration>,
    /// Time from one part of the response to the next.
    pub between_bytes: Option<Duration>,
}

/// The timeouts that apply to a request.
pub(crate) struct EffectiveTimeouts {
    pub(crate) connect: Duration,
    pub(crate) first_byte: Duration,
    pub(crate) between_bytes: Duration,
}

impl RequestTimeouts {
    /// Returns the shorter one of each timeout of the plugin and of the host.
    pub(crate) fn within(self, host: &RequestsConfig) -> EffectiveTimeouts {
        let shorter = |plugin: Option<Duration>, host: Duration| {
            plugin.map_or(host, |timeout| timeout.min(host))
        };
        EffectiveTimeouts {
            connect: shorter(self.connect, host.connect_timeout.duration()),
            first_byte: shorter(self.first_byte, host.first_byte_timeout.duration()),
            between_bytes: shorter(self.between_bytes, host.between_bytes_timeout.duration()),
        }
    }
}
