//! How long a connection waits for its peer.

use std::time::Duration;

use narrowboat_config::Limits;

/// The spans that end or keep a silent connection.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    pub(super) keepalive: Duration,
    pub(super) idle: Duration,
    pub(super) close: Duration,
}

impl From<&Limits> for Patience {
    fn from(limits: &Limits) -> Self {
        Self {
            keepalive: limits.keepalive.duration(),
            idle: limits.idle_timeout.duration(),
            close: limits.close_timeout.duration(),
        }
    }
}
