//! What is said of messages that a worker failed at.

use std::time::Duration;

use tokio::time::Instant;

use narrowboat_core::fault::{GuestFault, sanitize_log_line};
use narrowboat_core::message::Message;
use narrowboat_runtime::Sha256Digest;

/// Failures are told one by one, unless they come faster than this.
const MIN_LOG_INTERVAL: Duration = Duration::from_millis(100);

/// A message that a worker failed at.
pub(super) struct FailedMessage {
    pub(super) fault: GuestFault,
    pub(super) message: Message,
    /// The version that failed.
    pub(super) version: Sha256Digest,
}

/// Keeps a worker that fails at everything from filling the log.
#[derive(Default)]
pub(super) struct FailureLog {
    last_logged: Option<Instant>,
    suppressed_count: u64,
}

impl FailureLog {
    /// Tells of a message, or that there were others.
    pub(super) fn log_failure(&mut self, plugin: &str, channel: &str, lost: &FailedMessage) {
        let now = Instant::now();
        if self.last_logged.is_some_and(|told| now - told < MIN_LOG_INTERVAL) {
            self.suppressed_count += 1;
            return;
        }
        self.last_logged = Some(now);
        let others = match std::mem::take(&mut self.suppressed_count) {
            0 => String::new(),
            count => format!("; and {count} others before it"),
        };
        let kind = sanitize_log_line(lost.message.message_type());
        let version = lost.version.short_hex();
        tracing::warn!(
            plugin,
            channel,
            version,
            "the worker lost a {kind:?}: {}{others}",
            lost.fault
        );
    }
}
