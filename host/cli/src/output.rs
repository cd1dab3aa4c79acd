//! Standard output and standard error: blocking for commands that end, and without blocking for a host.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::panic::PanicHookInfo;
use std::time::{Duration, Instant, SystemTime};

use anyhow::anyhow;
use serde::Serialize;
use serde_json::json;

use super::cli_error::CliError;
use super::cli_exit_code::CliExitCode;
use super::telemetry::is_json_format;
use narrowboat_server::background_writer::BackgroundWriter;

/// The longest time that a process waits at its end for its last lines to be written.
pub(super) const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Prints a text to standard output.
///
/// # Errors
/// When it cannot be written. The error has no message if the reader has gone.
pub(super) fn print(text: &str) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(output_error)
}

/// Prints a line.
///
/// # Errors
/// As [`print()`].
pub(super) fn print_line(line: impl Display) -> Result<(), CliError> {
    print(&format!("{line}\n"))
}

/// Prints a response as JSON.
///
/// # Errors
/// As [`print()`].
pub(super) fn print_json(response: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(response).map_err(CliError::runtime)?;
    print_line(text)
}

/// Returns the error of a command whose output cannot be written.
pub(super) fn output_error(error: io::Error) -> CliError {
    match error.kind() {
        ErrorKind::BrokenPipe => CliError::silent(CliExitCode::BrokenPipe),
        _ => CliError::runtime(anyhow!("standard output: {error}")),
    }
}

/// Prints a line to standard error. Ignores failures, so that the command goes on.
pub(super) fn eprint_line(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Standard output and standard error of a host. Lines are dropped if nobody reads them. A clone writes to the same
/// streams.
#[derive(Debug, Clone)]
pub(super) struct Console {
    out: BackgroundWriter,
    err: BackgroundWriter,
}

impl Console {
    /// Starts the threads that write, and writes panics to standard error too.
    pub(super) fn start() -> Result<Self, CliError> {
        let writers = || Ok((BackgroundWriter::stdout()?, BackgroundWriter::stderr()?));
        let (out, err) = writers().map_err(|error: io::Error| CliError::runtime(error))?;
        let panics = err.clone();
        std::panic::set_hook(Box::new(move |info| {
            panics.write_lines(format_panic(info).as_bytes());
        }));
        Ok(Self { out, err })
    }

    /// Writes a line to standard output.
    pub(super) fn print_line(&self, line: impl Display) {
        self.out.write_lines(format!("{line}\n").as_bytes());
    }

    /// Writes a line to standard error.
    pub(super) fn eprint_line(&self, line: impl Display) {
        self.err.write_lines(format!("{line}\n").as_bytes());
    }

    pub(super) fn stdout(&self) -> &BackgroundWriter {
        &self.out
    }

    pub(super) fn stderr(&self) -> &BackgroundWriter {
        &self.err
    }

    /// Returns a guard that waits for the last lines to be written when it is dropped, also after a panic.
    pub(super) fn flush_on_drop(&self) -> FlushGuard {
        FlushGuard(self.clone())
    }

    /// Waits for the last lines to be written.
    fn flush(&self) {
        let end = Instant::now() + FLUSH_TIMEOUT;
        for writer in [&self.out, &self.err] {
            writer.flush_within(end.saturating_duration_since(Instant::now()));
        }
    }

    /// Prints the error, if there is one, and waits for the last lines to be written.
    pub(super) fn report_and_flush(&self, result: Result<(), CliError>) -> Result<(), CliError> {
        let result = result.map_err(|error| {
            if let Some(line) = error.message() {
                self.eprint_line(line);
            }
            CliError::silent(error.code)
        });
        self.flush();
        result
    }
}

/// Waits for a host's last lines to be written when it is dropped.
pub(super) struct FlushGuard(Console);

impl Drop for FlushGuard {
    fn drop(&mut self) {
        self.0.flush();
    }
}

/// Formats a panic. It is not logged, since the panicking thread may hold the log's locks.
fn format_panic(info: &PanicHookInfo<'_>) -> String {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("<unnamed>");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let message = info.payload_as_str().unwrap_or("Box<dyn Any>");
    let mut text = format!("thread '{name}' panicked at {place}: {message}");
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        text += &format!("\n{backtrace}");
    }
    if !is_json_format() {
        return text + "\n";
    }
    let at = humantime::format_rfc3339_micros(SystemTime::now()).to_string();
    format!("{}\n", json!({"timestamp": at, "level": "ERROR", "message": text, "target": "panic"}))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::{panic, thread};

    use super::*;

    /// A slow stream.
    #[derive(Clone, Default)]
    struct Slow(Arc<Mutex<Vec<u8>>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            thread::sleep(Duration::from_millis(100));
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_before_a_panic_are_written_before_the_process_ends() {
        let slow = Slow::default();
        let out = BackgroundWriter::spawn("stdout", io::sink()).unwrap();
        let err = BackgroundWriter::spawn("stderr", slow.clone()).unwrap();
        let console = Console { out, err };
        let panicking = thread::spawn(move || {
            let _flushed = console.flush_on_drop();
            console.eprint_line("last words");
            panic::resume_unwind(Box::new(()));
        });
        assert!(panicking.join().is_err());
        assert_eq!(*slow.0.lock().unwrap(), b"last words\n");
    }

    #[test]
    fn a_panic_is_printed_with_its_thread_location_and_message() {
        let told = Arc::<Mutex<String>>::default();
        let (telling, before) = (Arc::clone(&told), panic::take_hook());
        // The hook is the whole process's, and other tests may panic meanwhile.
        panic::set_hook(Box::new(move |info| match thread::current().name() {
            Some("panicking") => *telling.lock().unwrap() = format_panic(info),
            _ => before(info),
        }));
        let panicking = thread::Builder::new().name("panicking".to_owned());
        let _ = panicking.spawn(|| panic!("with {}", "words")).unwrap().join().unwrap_err();
        let told = told.lock().unwrap();
        assert!(told.starts_with("thread 'panicking' panicked at "), "{told}");
        assert!(told.contains("output.rs:") && told.contains(": with words"), "{told}");
        assert!(told.ends_with('\n'));
    }
}
