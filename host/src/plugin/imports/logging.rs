//! `wasi:logging`: a guest's words in the host's log, at once, so that a trap does not lose them.

use crate::plugin::bindings::wasi::logging::logging::{Host, Level};
use crate::plugin::state::GuestState;

/// Bytes of one line that are kept.
const MAX_LINE: usize = 4 * 1024;

impl Host for GuestState {
    fn log(&mut self, level: Level, context: String, message: String) -> wasmtime::Result<()> {
        let plugin = &*self.around.plugin;
        let context = cut(&context, 128);
        let message = cut(&message, MAX_LINE);
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

/// One line of bounded length, without control characters: a guest must not forge the log's lines
/// or steer a terminal.
fn cut(text: &str, most: usize) -> String {
    let text = &text[..text.floor_char_boundary(most)];
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_guest_cannot_forge_a_line_or_steer_a_terminal() {
        assert_eq!(cut("a\nERROR b\x1b[2J", 100), "a ERROR b [2J");
        assert_eq!(cut("éé", 3), "é");
    }
}
