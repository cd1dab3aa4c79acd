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
use narrowboat_test_kit::{LogCapture, TestPlugin, TestSuite, find_plugins};
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
        run_plugin(plugin, arguments.filter.as_deref(), &logs, &mut report)?;
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

/// Runs the tests of one plugin. If they cannot run, the report says why, and those of other plugins still run.
///
/// # Errors
/// If the report cannot be printed.
fn run_plugin(
    plugin: TestPlugin,
    filter: Option<&str>,
    logs: &LogCapture,
    report: &mut TestReport,
) -> Result<(), CliError> {
    let name = plugin.name.clone();
    match TestSuite::open(plugin, language_runtimes(), logs.clone()) {
        Ok(suite) => run_suite(&name, suite, filter, report),
        Err(error) => report.add_error(&name, &error),
    }
}

fn run_suite(
    plugin: &str,
    mut suite: TestSuite,
    filter: Option<&str>,
    report: &mut TestReport,
) -> Result<(), CliError> {
    let mut tests = suite.names();
    tests.retain(|test| filter.is_none_or(|filter| test.contains(filter)));
    if !tests.is_empty() {
        report.start_plugin(plugin, tests.len())?;
    }
    for test in tests {
        match suite.run(&test) {
            Ok(result) => report.add(result)?,
            Err(error) => return report.add_error(plugin, &error),
        }
    }
    Ok(())
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
