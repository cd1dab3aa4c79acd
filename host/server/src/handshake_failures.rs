//! Handshakes that opened no socket, by what became of them.

use std::sync::atomic::{AtomicU64, Ordering};

use narrowboat_websocket::handshake::HandshakeError;

/// As figures call it: the status that was answered, or why there was no answer.
const REASONS: [&str; 13] = [
    "400", "401", "403", "404", "426", "429", "500", "503", "other", "timeout", "proxy", "tls",
    "http",
];

/// Counts of handshakes that opened no socket.
#[derive(Debug, Default)]
pub(super) struct HandshakeFailureCounters([AtomicU64; REASONS.len()]);

impl HandshakeFailureCounters {
    /// Counts one that was answered so; a document that was shown is no refusal.
    pub(super) fn record_status(&self, status: u16) {
        if status >= 400 {
            let status = status.to_string();
            self.increment(REASONS.into_iter().find(|name| *name == status).unwrap_or("other"));
        }
    }

    /// Counts one that was not answered, or by HTTP alone.
    pub(super) fn record_error(&self, error: &HandshakeError) {
        self.increment(match error {
            HandshakeError::TimedOut(_) => "timeout",
            HandshakeError::Http(error) if error.is_timeout() => "timeout",
            HandshakeError::Proxy(_) => "proxy",
            HandshakeError::Tls(_) => "tls",
            HandshakeError::Http(_) => "http",
        });
    }

    fn increment(&self, name: &str) {
        let counts = REASONS.iter().zip(&self.0);
        for (_, count) in counts.filter(|(known, _)| **known == name) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What became of them, and of how many.
    pub(super) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REASONS.into_iter().zip(&self.0).map(|(name, count)| (name, count.load(Ordering::Relaxed)))
    }
}
