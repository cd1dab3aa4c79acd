//! Counters of handshakes that did not open a connection.

use std::sync::atomic::{AtomicU64, Ordering};

use narrowboat_websocket::handshake::HandshakeError;

/// The values of the label `reason`: the status of the response, or the reason why there was none.
const REASONS: [&str; 13] = [
    "400", "401", "403", "404", "426", "429", "500", "503", "other", "timeout", "proxy", "tls",
    "http",
];

/// The numbers of handshakes that did not open a connection, by reason.
#[derive(Debug, Default)]
pub(crate) struct HandshakeFailureCounters([AtomicU64; REASONS.len()]);

impl HandshakeFailureCounters {
    /// Counts a response with this status. The demo page, with a status below 400, is not a failure.
    pub(crate) fn record_status(&self, status: u16) {
        if status >= 400 {
            let status = status.to_string();
            self.increment(REASONS.into_iter().find(|name| *name == status).unwrap_or("other"));
        }
    }

    /// Counts a handshake without a response, or with a response of the HTTP parser.
    pub(crate) fn record_error(&self, error: &HandshakeError) {
        self.increment(match error {
            HandshakeError::TimedOut(_) => "timeout",
            HandshakeError::Http(error) if error.is_timeout() => "timeout",
            HandshakeError::Proxy(_) => "proxy",
            HandshakeError::Tls(_) => "tls",
            HandshakeError::Http(_) => "http",
        });
    }

    /// The statuses that are reasons of their own.
    pub(crate) fn statuses() -> impl Iterator<Item = &'static str> {
        REASONS.into_iter().filter(|name| name.parse::<u16>().is_ok())
    }

    fn increment(&self, name: &str) {
        let counters = REASONS.iter().zip(&self.0);
        for (_, counter) in counters.filter(|(known, _)| **known == name) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The reasons, and the number of handshakes for each.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REASONS.into_iter().zip(&self.0).map(|(name, count)| (name, count.load(Ordering::Relaxed)))
    }
}
