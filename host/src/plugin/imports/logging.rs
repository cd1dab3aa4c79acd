//! `wasi:logging`: a guest's words in the host's log, at once, so that a trap does not lose them.

use crate::fault::one_line;
use crate::journal::GUEST;
use crate::plugin::bindings::wasi::logging::logging::{Host, Level};
use crate::plugin::state::GuestState;
use crate::plugin::words::Saying;

impl Host for GuestState {
    fn log(&mut self, level: Level, context: String, message: String) -> wasmtime::Result<()> {
        match self.around.words.say() {
            Saying::Said => {}
            Saying::First => {
                let (plugin, version) = (&*self.around.plugin, &*self.around.version);
                tracing::warn!(plugin, version, "it logs more than is kept; lines are dropped");
                return Ok(());
            }
            Saying::Unsaid => return Ok(()),
        }
        let (plugin, version) = (&*self.around.plugin, &*self.around.version);
        let channel = self.channel();
        let context = one_line(&context);
        let message = one_line(&message);
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
