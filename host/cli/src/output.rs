//! Standard output and standard error: of commands that print and end, and of a host, which no reader may stop.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::panic::PanicHookInfo;
use std::time::{Duration, Instant, SystemTime};

use anyhow::anyhow;
use serde_json::json;

use super::CliError;
use super::telemetry::is_json_format;
use narrowboat_server::background_writer::BackgroundWriter;

/// The exit code of a program that SIGPIPE ended, by the shells' convention.
const EXIT_BROKEN_PIPE: u8 = 141;

/// How long a process that ends waits for its last lines to be taken.
pub(super) const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Prints a text as it is.
///
/// # Errors
/// When it cannot be written. Nothing is said where nobody reads any more.
pub(super) fn print(text: &str) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(output_error)
}

/// Prints a line.
///
/// # Errors
/// As [`print`].
pub(super) fn print_line(line: impl Display) -> Result<(), CliError> {
    print(&format!("{line}\n"))
}

/// What becomes of a command whose output is not taken.
pub(super) fn output_error(error: io::Error) -> CliError {
    match error.kind() {
        ErrorKind::BrokenPipe => CliError::silent(EXIT_BROKEN_PIPE),
        _ => CliError::runtime(anyhow!("standard output: {error}")),
    }
}

/// Tells something beside what a command prints. It goes on where nobody reads that.
pub(super) fn eprint_line(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Standard output and standard error of a host. Lines are dropped where nobody reads them. A clone writes to the same.
#[derive(Debug, Clone)]
pub(super) struct Console {
    out: BackgroundWriter,
    err: BackgroundWriter,
}

impl Console {
    /// Starts to write, and has panics told there too.
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

    /// Waits for the last lines to be taken when it is dropped, and so after a panic too.
    pub(super) fn flush_on_drop(&self) -> FlushGuard {
        FlushGuard(self.clone())
    }

    /// Waits for the last lines to be taken.
    fn flush(&self) {
        let end = Instant::now() + FLUSH_TIMEOUT;
        for writer in [&self.out, &self.err] {
            writer.flush_within(end.saturating_duration_since(Instant::now()));
        }
    }

    /// Tells a failure, if there is one, and waits for the last lines to be taken.
    pub(super) fn report_and_flush(&self, result: Result<(), CliError>) -> Result<(), CliError> {
        let result = result.map_err(|failure| {
            if let Some(line) = failure.message() {
                self.eprint_line(line);
            }
            CliError::silent(failure.code)
        });
        self.flush();
        result
    }
}

/// Waits for a host's last lines to be taken when it is dropped.
pub(super) struct FlushGuard(Console);

impl Drop for FlushGuard {
    fn drop(&mut self) {
        self.0.flush();
    }
}

/// What is written of a panic. It goes past the log, whose locks the panicking thread may hold.
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

    /// A stream that takes its time.
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
    fn a_panic_is_told_with_its_thread_its_place_and_its_message() {
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
