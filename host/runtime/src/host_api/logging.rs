//! `wasi:logging`: a guest's words in the host's log, at once, so that a trap does not lose them.

use crate::bindings::wasi::logging::logging::{Host, Level};
use crate::store::LogDecision;
use crate::store::{GuestPanic, GuestState};
use narrowboat_core::capabilities::CapabilityFlag;
use narrowboat_core::fault::sanitize_log_line;
use narrowboat_core::log_target::GUEST;

/// Why nothing of a guest is in the log, for whoever looks there for it.
const LOG_NOT_REQUESTED: &str =
    "it logs, and its manifest does not request it with `log = true` under [capabilities]";

/// The context of the log lines, at level critical, that say why a guest panics.
const PANIC_CONTEXT: &str = "panic";

impl Host for GuestState {
    fn log(&mut self, level: Level, context: String, message: String) -> wasmtime::Result<()> {
        let may = self.ctx.capabilities.has_flag(CapabilityFlag::Log);
        let words = &self.ctx.log_limiter;
        let is_panic = matches!(level, Level::Critical) && context == PANIC_CONTEXT;
        let saying = match may {
            true => words.decide(),
            // The text of a panic is logged if the call traps.
            false if is_panic => LogDecision::Drop,
            false => words.drop_denied_line(),
        };
        if is_panic {
            let text = sanitize_log_line(&message);
            self.record_panic(GuestPanic { text, logged: saying == LogDecision::Log });
        }
        match saying {
            LogDecision::Log => {}
            LogDecision::DropAndWarn => {
                let (plugin, version) = (&*self.ctx.plugin, &*self.ctx.version);
                let why = if may { "it logs more than is kept" } else { LOG_NOT_REQUESTED };
                tracing::warn!(plugin, version, "{why}; lines are dropped");
                return Ok(());
            }
            LogDecision::Drop => return Ok(()),
        }
        let (plugin, version) = (&*self.ctx.plugin, &*self.ctx.version);
        let channel = self.connections.current_channel();
        let context = sanitize_log_line(&context);
        let message = sanitize_log_line(&message);
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
        Ok(())
    }
}
