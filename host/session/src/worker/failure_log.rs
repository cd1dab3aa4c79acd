//! Log lines about messages that a worker failed to handle.

use std::time::Duration;

use narrowboat_core::fault::{GuestFault, sanitize_log_line};
use narrowboat_core::message::Message;
use narrowboat_core::warn_limiter::WarnLimiter;
use narrowboat_runtime::Sha256Digest;

/// The least time between two lines. Failures in between are counted.
const MIN_LOG_INTERVAL: Duration = Duration::from_millis(100);

/// A message that a worker failed to handle.
pub(super) struct FailedMessage {
    pub(super) fault: GuestFault,
    pub(super) message: Message,
    /// The version that failed.
    pub(super) version: Sha256Digest,
}

/// Limits the log lines of a worker that fails often.
pub(super) struct FailureLog {
    warn_limiter: WarnLimiter<()>,
}

impl Default for FailureLog {
    fn default() -> Self {
        Self { warn_limiter: WarnLimiter::new(MIN_LOG_INTERVAL) }
    }
}

impl FailureLog {
    /// Logs a failure with the number of those that were not logged before it, or counts it.
    pub(super) fn log_failure(&mut self, plugin: &str, channel: &str, failed: &FailedMessage) {
        let Some(suppressed) = self.warn_limiter.try_acquire(()) else { return };
        let message_type = &*sanitize_log_line(failed.message.message_type());
        let version = &*failed.version.short_hex();
        tracing::warn!(
            plugin,
            channel,
            version,
            message_type,
            suppressed = (suppressed > 0).then_some(suppressed),
            fault = %failed.fault,
            "the worker failed to handle a message"
        );
    }
}
