//! The time-outs of a connection.

use std::time::Duration;

use narrowboat_config::Limits;

/// The time-outs of a connection, from the configuration's `[limits]`.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionTimeouts {
    /// The silence of a peer after which it gets a ping (`ping_interval`).
    pub(super) keepalive_interval: Duration,
    /// The silence of a peer after which the connection ends (`idle_timeout`).
    pub(super) idle_timeout: Duration,
    /// The time that the peer has to complete the closing handshake (`close_timeout`).
    pub(super) close_timeout: Duration,
}

impl From<&Limits> for ConnectionTimeouts {
    fn from(limits: &Limits) -> Self {
        Self {
            keepalive_interval: limits.ping_interval.duration(),
            idle_timeout: limits.idle_timeout.duration(),
            close_timeout: limits.close_timeout.duration(),
        }
    }
}
