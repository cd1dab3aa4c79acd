//! How long a connection waits for its peer.

use std::time::Duration;

use narrowboat_config::Limits;

/// The spans that end or keep a silent connection.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionTimeouts {
    pub(super) keepalive_interval: Duration,
    pub(super) idle_timeout: Duration,
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
