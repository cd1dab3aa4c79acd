//! The result of a test.

use std::time::Duration;

use narrowboat_runtime::TestFailure;

/// The result of a test.
#[derive(Debug, Clone)]
pub struct TestResult {
    /// The name of the plugin.
    pub plugin: String,
    /// The name of the test.
    pub name: String,
    /// The path of the file of the test, and its line. `None` if the runner does not know them.
    pub place: Option<(String, u32)>,
    /// The time that the test took.
    pub duration: Duration,
    /// How the test ended.
    pub end: TestEnd,
    /// The lines that the test and the plugin wrote, if the test failed.
    pub output: Vec<String>,
}

/// How a test ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestEnd {
    /// The test passed.
    Passed,
    /// The test did not run, for this reason.
    Skipped(String),
    /// The test failed.
    Failed(TestFailure),
}
