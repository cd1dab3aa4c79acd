//! `wasi:logging`: a guest's words in the host's log, at once, so that a trap does not lose them.

use crate::fault::one_line;
use crate::plugin::bindings::wasi::logging::logging::{Host, Level};
use crate::plugin::state::GuestState;

impl Host for GuestState {
    fn log(&mut self, level: Level, context: String, message: String) -> wasmtime::Result<()> {
        let plugin = &*self.around.plugin;
        let context = one_line(&context);
        let message = one_line(&message);
        match level {
            Level::Trace => tracing::trace!(target: "guest", plugin, context, "{message}"),
            Level::Debug => tracing::debug!(target: "guest", plugin, context, "{message}"),
            Level::Info => tracing::info!(target: "guest", plugin, context, "{message}"),
            Level::Warn => tracing::warn!(target: "guest", plugin, context, "{message}"),
            Level::Error | Level::Critical => {
                tracing::error!(target: "guest", plugin, context, "{message}");
            }
        }
        Ok(())
    }
}
