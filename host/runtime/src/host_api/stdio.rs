//! Standard output and standard error of a guest, which go to the log: the former at level info, the latter at level
//! warning.

use crate::bindings::wasi::logging::logging::Level;
use crate::store::{GuestState, OutputBuffer, STDERR_CONTEXT, STDOUT_CONTEXT};

impl GuestState {
    /// Logs the complete lines that the guest has written.
    pub(crate) fn log_output(&mut self) {
        self.log_lines(OutputBuffer::take_line);
    }

    /// Logs what the guest has written without a line end. Call it at the end of a call, so that each line belongs to
    /// one call.
    pub(crate) fn log_rest_of_output(&mut self) {
        if self.wasi_mut().is_some() {
            self.log_lines(OutputBuffer::take_rest);
        }
    }

    fn log_lines(&mut self, take: impl Fn(&OutputBuffer) -> Option<String>) {
        while let Some(line) = take(&self.wasi_mut_or_init().stdout) {
            self.log_output_line(Level::Info, STDOUT_CONTEXT, &line);
        }
        while let Some(line) = take(&self.wasi_mut_or_init().stderr) {
            self.wasi_mut_or_init().report_stderr(&line);
            self.log_output_line(Level::Warn, STDERR_CONTEXT, &line);
        }
    }

    /// Logs a line, unless the call must not change anything beyond the host.
    fn log_output_line(&mut self, level: Level, context: &str, line: &str) {
        if self.suppressed.is_none() && !line.trim().is_empty() {
            self.log_line(level, context, line);
        }
    }
}
