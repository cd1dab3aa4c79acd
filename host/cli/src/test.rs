//! `narrowboat test`

mod test_report;

use std::time::Instant;

use anyhow::anyhow;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use super::arguments::TestArgs;
use super::cli_error::CliError;
use super::cli_exit_code::CliExitCode;
use super::runtimes::language_runtimes;
use narrowboat_test_kit::{LogCapture, TestKitError, TestPlugin, TestSuite, find_plugins};
use test_report::{ReportFormat, TestReport};

/// The lines that a failed test can show: all of guests, and warnings of the host.
const LOG_FILTER: &str = "warn,guest=trace";

pub(super) fn run(arguments: &TestArgs) -> Result<(), CliError> {
    let logs = LogCapture::default();
    let filter = EnvFilter::new(LOG_FILTER);
    tracing_subscriber::registry().with(logs.layer().with_filter(filter)).init();
    let started = Instant::now();
    let format = if arguments.json { ReportFormat::Json } else { ReportFormat::Text };
    let mut report = TestReport::new(format);
    for plugin in find_plugins(&arguments.dir).map_err(CliError::usage)? {
        let name = plugin.name.clone();
        if let Err(error) = run_plugin(plugin, arguments.filter.as_deref(), &logs, &mut report)? {
            report.add_error(&name, &error)?;
        }
    }
    if report.count() == 0 && report.failed_count() == 0 {
        return Err(CliError::usage(no_tests(arguments)));
    }
    report.finish(started.elapsed())?;
    match report.failed_count() {
        0 => Ok(()),
        _ => Err(CliError::silent(CliExitCode::Failure)),
    }
}

/// Runs the tests of one plugin. Returns why they cannot run, so that the tests of other plugins still do.
///
/// # Errors
/// If a result cannot be printed.
fn run_plugin(
    plugin: TestPlugin,
    filter: Option<&str>,
    logs: &LogCapture,
    report: &mut TestReport,
) -> Result<Result<(), TestKitError>, CliError> {
    let name = plugin.name.clone();
    let mut suite = match TestSuite::open(plugin, language_runtimes(), logs.clone()) {
        Ok(suite) => suite,
        Err(error) => return Ok(Err(error)),
    };
    let mut tests = suite.names();
    tests.retain(|test| filter.is_none_or(|filter| test.contains(filter)));
    if !tests.is_empty() {
        report.start_plugin(&name, tests.len())?;
    }
    for test in tests {
        match suite.run(&test) {
            Ok(result) => report.add(result)?,
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(()))
}

fn no_tests(arguments: &TestArgs) -> anyhow::Error {
    match &arguments.filter {
        Some(filter) => anyhow!("no test has {filter:?} in its name"),
        None => anyhow!(
            "there are no tests: write functions `test_…` in files `test_*.py`, `test(…)` in files `*.test.js` or \
             `*.test.ts`, or `#[test]` in a crate"
        ),
    }
}
