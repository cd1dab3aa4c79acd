//! `wasi:logging`: a guest's words in the host's log, at once, so that a trap does not lose them.

use crate::bindings::wasi::logging::logging::{Host, Level};
use crate::state::{GuestState, Panic};
use crate::words::Saying;
use narrowboat_core::capabilities::Power;
use narrowboat_core::fault::one_line;
use narrowboat_core::log_target::GUEST;

/// Why nothing of a guest is in the log, for whoever looks there for it.
const UNASKED: &str =
    "it logs, and its manifest does not ask for it with `log = true` under [asks]";

/// The context of the log lines, at level critical, that say why a guest panics.
const PANIC: &str = "panic";

impl Host for GuestState {
    fn log(&mut self, level: Level, context: String, message: String) -> wasmtime::Result<()> {
        let may = self.around.asks.have(Power::Log);
        let words = &self.around.words;
        let is_panic = matches!(level, Level::Critical) && context == PANIC;
        let saying = match may {
            true => words.say(),
            // The text of a panic is logged if the call traps.
            false if is_panic => Saying::Unsaid,
            false => words.swallow(),
        };
        if is_panic {
            let text = one_line(&message);
            self.note_panic(Panic { text, logged: saying == Saying::Said });
        }
        match saying {
            Saying::Said => {}
            Saying::First => {
                let (plugin, version) = (&*self.around.plugin, &*self.around.version);
                let why = if may { "it logs more than is kept" } else { UNASKED };
                tracing::warn!(plugin, version, "{why}; lines are dropped");
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
