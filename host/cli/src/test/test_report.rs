//! The output of `narrowboat test`.

use std::time::Duration;

use serde_json::json;

use crate::cli_error::CliError;
use crate::output::{eprint_line, print_line};
use narrowboat_test_kit::{TestEnd, TestFailure, TestKitError, TestResult};

/// Prints the results of tests: as lines, with the failures at the end, or as a JSON object on each line.
pub(super) struct TestReport {
    format: ReportFormat,
    passed: usize,
    skipped: usize,
    failures: Vec<(TestResult, TestFailure)>,
    /// The plugins whose tests cannot run.
    error_count: usize,
}

/// How the results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReportFormat {
    /// Lines for people.
    Text,
    /// A JSON object on each line.
    Json,
}

impl TestReport {
    pub(super) fn new(format: ReportFormat) -> Self {
        Self { format, passed: 0, skipped: 0, failures: Vec::new(), error_count: 0 }
    }

    /// The number of tests, those that were skipped included.
    pub(super) fn count(&self) -> usize {
        self.passed + self.skipped + self.failures.len()
    }

    /// The number of tests that failed, and of plugins whose tests cannot run.
    pub(super) fn failed_count(&self) -> usize {
        self.failures.len() + self.error_count
    }

    /// Prints why the tests of a plugin cannot run.
    ///
    /// # Errors
    /// If the line cannot be printed.
    pub(super) fn add_error(&mut self, plugin: &str, error: &TestKitError) -> Result<(), CliError> {
        self.error_count += 1;
        let message = error.to_string();
        match self.format {
            ReportFormat::Text => {
                eprint_line(format_args!("narrowboat: plugin {plugin}: {message}"));
            }
            ReportFormat::Json => {
                print_line(json!({ "event": "error", "plugin": plugin, "message": message }))?;
            }
        }
        Ok(())
    }

    /// Prints the name of a plugin before its results.
    ///
    /// # Errors
    /// If the line cannot be printed.
    pub(super) fn start_plugin(&self, plugin: &str, tests: usize) -> Result<(), CliError> {
        match self.format {
            ReportFormat::Text => {
                let noun = if tests == 1 { "test" } else { "tests" };
                print_line(format_args!("plugin {plugin}: {tests} {noun}"))
            }
            ReportFormat::Json => Ok(()),
        }
    }

    /// Prints a result.
    ///
    /// # Errors
    /// If the line cannot be printed.
    pub(super) fn add(&mut self, result: TestResult) -> Result<(), CliError> {
        match self.format {
            ReportFormat::Text => print_line(result_line(&result))?,
            ReportFormat::Json => print_line(result_json(&result))?,
        }
        match &result.end {
            TestEnd::Passed => self.passed += 1,
            TestEnd::Skipped(_) => self.skipped += 1,
            TestEnd::Failed(failure) => {
                let failure = failure.clone();
                self.failures.push((result, failure));
            }
        }
        Ok(())
    }

    /// Prints the failures and the summary.
    ///
    /// # Errors
    /// If a line cannot be printed.
    pub(super) fn finish(&self, duration: Duration) -> Result<(), CliError> {
        let (passed, skipped, failed) = (self.passed, self.skipped, self.failures.len());
        if self.format == ReportFormat::Json {
            let milliseconds = milliseconds(duration);
            return print_line(json!({
                "event": "summary", "passed": passed, "failed": failed, "skipped": skipped,
                "errors": self.error_count, "duration_ms": milliseconds,
            }));
        }
        for (result, failure) in &self.failures {
            print_line(failure_text(result, failure))?;
        }
        let seconds = duration.as_secs_f64();
        let skipped = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
        let errors = match self.error_count {
            0 => String::new(),
            1 => ", 1 plugin with errors".to_owned(),
            count => format!(", {count} plugins with errors"),
        };
        print_line(format_args!(
            "\n{passed} passed, {failed} failed{skipped}{errors} in {seconds:.2} s"
        ))
    }
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

/// `ok    test_chat.py::test_hello (4 ms)`
fn result_line(result: &TestResult) -> String {
    let (name, time) = (&result.name, result.duration.as_millis());
    match &result.end {
        TestEnd::Passed => format!("  ok    {name} ({time} ms)"),
        TestEnd::Skipped(reason) => format!("  skip  {name}: {reason}"),
        TestEnd::Failed(_) => format!("  FAIL  {name} ({time} ms)"),
    }
}

/// A failure with its place, its message, its trace and what was written meanwhile.
fn failure_text(result: &TestResult, failure: &TestFailure) -> String {
    let mut text = format!("\nFAIL  {}: {}\n", result.plugin, result.name);
    let place = match (&failure.path, failure.line) {
        (Some(path), Some(line)) => Some((path, line)),
        _ => result.place.as_ref().map(|(path, line)| (path, *line)),
    };
    if let Some((path, line)) = place {
        text += &format!("{path}:{line}\n");
    }
    if let Some(source) = &failure.source {
        text += &format!("    {}\n", source.trim());
    }
    text += &indented(&failure.message);
    if !failure.trace.is_empty() && failure.trace != failure.message {
        text += "\n";
        text += &indented(&failure.trace);
    }
    if !result.output.is_empty() {
        text += "\n  Log:\n";
        text += &indented(&result.output.join("\n"));
    }
    text.trim_end().to_owned()
}

fn indented(text: &str) -> String {
    text.trim_end().lines().map(|line| format!("  {line}\n")).collect()
}

fn result_json(result: &TestResult) -> String {
    let (outcome, reason, failure) = match &result.end {
        TestEnd::Passed => ("passed", None, None),
        TestEnd::Skipped(reason) => ("skipped", Some(reason), None),
        TestEnd::Failed(failure) => ("failed", None, Some(failure)),
    };
    let own = failure.and_then(|it| Some((it.path.as_ref()?, it.line?)));
    let place = own.or_else(|| result.place.as_ref().map(|(path, line)| (path, *line)));
    let object = json!({
        "event": "test",
        "plugin": result.plugin,
        "name": result.name,
        "outcome": outcome,
        "duration_ms": milliseconds(result.duration),
        "file": place.map(|(path, _)| path),
        "line": place.map(|(_, line)| line),
        "reason": reason,
        "message": failure.map(|it| &it.message),
        "source": failure.and_then(|it| it.source.as_ref()),
        "trace": failure.map(|it| &it.trace),
        "log": result.output,
    });
    object.to_string()
}
