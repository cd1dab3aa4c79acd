//! Handshakes that opened no socket, by what became of them.

use std::sync::atomic::{AtomicU64, Ordering};

use narrowboat_websocket::handshake::HandshakeError;

/// As figures call it: the status that was answered, or why there was no answer.
const NAMES: [&str; 13] = [
    "400", "401", "403", "404", "426", "429", "500", "503", "other", "timeout", "proxy", "tls",
    "http",
];

/// Counts of handshakes that opened no socket.
#[derive(Debug, Default)]
pub(super) struct Refusals([AtomicU64; NAMES.len()]);

impl Refusals {
    /// Counts one that was answered so; a document that was shown is no refusal.
    pub(super) fn answered(&self, status: u16) {
        if status >= 400 {
            let status = status.to_string();
            self.count(NAMES.into_iter().find(|name| *name == status).unwrap_or("other"));
        }
    }

    /// Counts one that was not answered, or by HTTP alone.
    pub(super) fn failed(&self, error: &HandshakeError) {
        self.count(match error {
            HandshakeError::TimedOut(_) => "timeout",
            HandshakeError::Http(error) if error.is_timeout() => "timeout",
            HandshakeError::Proxy(_) => "proxy",
            HandshakeError::Tls(_) => "tls",
            HandshakeError::Http(_) => "http",
        });
    }

    fn count(&self, name: &str) {
        let counts = NAMES.iter().zip(&self.0);
        for (_, count) in counts.filter(|(known, _)| **known == name) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What became of them, and of how many.
    pub(super) fn each(&self) -> impl Iterator<Item = (&'static str, u64)> {
        NAMES.into_iter().zip(&self.0).map(|(name, count)| (name, count.load(Ordering::Relaxed)))
    }
}
