//! `wasi:logging`: writes lines to the log of the host. They are written during the call, so that a trap does not lose
//! them.

use crate::bindings::wasi::logging::logging::{Host, Level};
use crate::store::{GuestState, LogDecision, TrapReport};
use narrowboat_core::capabilities::CapabilityFlag;
use narrowboat_core::fault::{sanitize_log_line, sanitize_log_text};
use narrowboat_core::log_target::GUEST;

/// Why the lines of a plugin without the capability `log` are missing.
const LOG_NOT_REQUESTED: &str = "the manifest does not request `log = true` under [capabilities]";

/// Why lines of a plugin that logs too much are missing.
const LOG_RATE_EXCEEDED: &str = "the plugin logs more than its limit of lines per second";

/// The context of the log lines, at level critical, that carry the message of a panic.
const PANIC_CONTEXT: &str = "panic";

impl Host for GuestState {
    fn log(&mut self, level: Level, context: String, message: String) -> wasmtime::Result<()> {
        self.log_line(level, &context, &message);
        Ok(())
    }
}

impl GuestState {
    /// Writes a line of the guest to the log, if the plugin may log and does not log too much.
    pub(super) fn log_line(&mut self, level: Level, context: &str, message: &str) {
        let may_log = self.ctx.capabilities.has_flag(CapabilityFlag::Log);
        let is_panic = matches!(level, Level::Critical) && context == PANIC_CONTEXT;
        let decision = match may_log {
            true => self.ctx.log_limiter.decide(),
            // The host logs the message of a panic if the call traps.
            false if is_panic => LogDecision::Drop,
            false => self.ctx.log_limiter.drop_denied_line(),
        };
        if is_panic {
            let text = sanitize_log_line(message);
            let logged = decision == LogDecision::Log;
            self.record_panic(TrapReport { source: PANIC_CONTEXT, text, logged });
        }
        match decision {
            LogDecision::Log => self.write_line(level, context, message),
            LogDecision::DropAndWarn => {
                let (plugin, version) = (&*self.ctx.plugin, &*self.ctx.version);
                let reason = if may_log { LOG_RATE_EXCEEDED } else { LOG_NOT_REQUESTED };
                tracing::warn!(plugin, version, reason, "log lines dropped");
            }
            LogDecision::Drop => {}
        }
    }

    /// Writes a line of the guest to the log. Its message may have several lines, as a traceback does.
    fn write_line(&self, level: Level, context: &str, message: &str) {
        let (plugin, version) = (&*self.ctx.plugin, &*self.ctx.version);
        let channel = self.connections.current_channel();
        let context = sanitize_log_line(context);
        let message = sanitize_log_text(message);
        match level {
            Level::Trace => {
                tracing::trace!(target: GUEST, plugin, version, channel, context, "{message}");
            }
            Level::Debug => {
                tracing::debug!(target: GUEST, plugin, version, channel, context, "{message}");
            }
            Level::Info => {
                tracing::info!(target: GUEST, plugin, version, channel, context, "{message}");
            }
            Level::Warn => {
                tracing::warn!(target: GUEST, plugin, version, channel, context, "{message}");
            }
            Level::Error | Level::Critical => {
                tracing::error!(target: GUEST, plugin, version, channel, context, "{message}");
            }
        }
    }
}
