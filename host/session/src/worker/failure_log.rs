//! What is said of messages that a worker failed at.

use std::time::Duration;

use narrowboat_core::fault::{GuestFault, sanitize_log_line};
use narrowboat_core::message::Message;
use narrowboat_core::warn_limiter::WarnLimiter;
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
pub(super) struct FailureLog {
    warn_limiter: WarnLimiter<()>,
}

impl Default for FailureLog {
    fn default() -> Self {
        Self { warn_limiter: WarnLimiter::new(MIN_LOG_INTERVAL) }
    }
}

impl FailureLog {
    /// Tells of a message, or that there were others.
    pub(super) fn log_failure(&mut self, plugin: &str, channel: &str, lost: &FailedMessage) {
        let Some(suppressed) = self.warn_limiter.try_acquire(()) else { return };
        let others = match suppressed {
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
