//! The tests of a crate, which cargo builds for this machine. The plugin itself runs in the sandbox.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use serde::Deserialize;

use crate::log_capture::{LogCapture, name_plugin};
use crate::test_host::TestHostSettings;
use crate::test_kit_error::TestKitError;
use crate::test_plugin::TestPlugin;
use crate::test_result::{TestEnd, TestResult};
use crate::test_socket::TestSocket;
use crate::virtual_clock::test_clock;
use narrowboat_deploy::packaging;
use narrowboat_runtime::{ComponentCompiler, LanguageRuntimes, TestFailure};
use narrowboat_server::HostEngine;

/// The variable that tells the SDK the path of the socket.
const SOCKET_VARIABLE: &str = "NARROWBOAT_TEST_HOST";

/// The tests of a crate.
pub struct CrateSuite {
    plugin: Arc<TestPlugin>,
    tests: Vec<CrateTest>,
    socket: TestSocket,
    logs: LogCapture,
}

/// A test, and the program that has it.
struct CrateTest {
    name: String,
    program: PathBuf,
}

/// A line of the output of `cargo test --message-format=json`.
#[derive(Deserialize)]
struct CargoMessage {
    #[serde(default)]
    executable: Option<PathBuf>,
    #[serde(default)]
    profile: Option<CargoProfile>,
}

#[derive(Deserialize)]
struct CargoProfile {
    test: bool,
}

impl CrateSuite {
    /// Builds the plugin and its tests, and lists the tests.
    ///
    /// # Errors
    /// If the plugin or its tests have errors.
    pub(crate) fn open(
        plugin: Arc<TestPlugin>,
        runtimes: LanguageRuntimes,
        logs: LogCapture,
    ) -> Result<Self, TestKitError> {
        let built = packaging::build(&plugin.folder, None)?;
        let config = plugin.config_with_component(&built.file);
        let engine = HostEngine::new(&config, runtimes, ComponentCompiler::InProcess)?;
        let settings = TestHostSettings {
            plugin: Arc::clone(&plugin),
            config,
            engine,
            logs: logs.clone(),
            clock: test_clock(),
            component: Arc::new(built.bytes),
        };
        let mut tests = Vec::new();
        for program in build_programs(&plugin.folder)? {
            let names = list_tests(&plugin.folder, &program)?;
            tests
                .extend(names.into_iter().map(|name| CrateTest { name, program: program.clone() }));
        }
        Ok(Self { plugin, tests, socket: TestSocket::open(settings)?, logs })
    }

    /// The names of the tests.
    pub(crate) fn names(&self) -> Vec<String> {
        self.tests.iter().map(|test| test.name.clone()).collect()
    }

    /// Runs one of the tests, in a process of its own.
    ///
    /// # Errors
    /// If its program cannot be run.
    pub(crate) fn run(&mut self, name: &str) -> Result<TestResult, TestKitError> {
        self.logs.clear();
        let started = Instant::now();
        let test = self.tests.iter().find(|test| test.name == name);
        let program = test.map(|test| test.program.clone()).unwrap_or_default();
        let output = Command::new(&program)
            .args(["--exact", name, "--nocapture", "--include-ignored"])
            .current_dir(&self.plugin.folder)
            .env(SOCKET_VARIABLE, self.socket.path())
            .stdin(Stdio::null())
            .output()
            .map_err(|source| TestKitError::Io { path: program, source })?;
        let failure = (!output.status.success()).then(|| {
            let failure = parse_failure(&String::from_utf8_lossy(&output.stderr));
            let (path, source) = self.find_source(&failure);
            let message = name_plugin(&failure.message, &self.plugin.name);
            TestFailure { path, source, message, ..failure }
        });
        let place = failure.as_ref().and_then(|it| Some((it.path.clone()?, it.line?)));
        let lines = self.logs.important_lines();
        let printed = String::from_utf8_lossy(&output.stdout);
        Ok(TestResult {
            plugin: self.plugin.name.clone(),
            name: name.to_owned(),
            place,
            duration: started.elapsed(),
            output: match failure {
                Some(_) => {
                    let printed = printed_lines(&printed).map(str::to_owned);
                    lines.iter().map(ToString::to_string).chain(printed).collect()
                }
                None => Vec::new(),
            },
            end: failure.map_or(TestEnd::Passed, TestEnd::Failed),
        })
    }
}

impl CrateSuite {
    /// The path of the file that a failure names, as the user names it, and the line of the source. Rust names files
    /// relative to the root of cargo's workspace, which is the folder of the crate or one above.
    fn find_source(&self, failure: &TestFailure) -> (Option<String>, Option<String>) {
        let (Some(path), Some(line)) = (&failure.path, failure.line) else {
            return (failure.path.clone(), None);
        };
        let folder = &self.plugin.folder;
        let absolute = folder.canonicalize().unwrap_or_default();
        let found = absolute.ancestors().find(|above| above.join(path).is_file());
        let shown = match found {
            Some(above) if above == absolute => folder.join(path).display().to_string(),
            _ => path.clone(),
        };
        let text = found.and_then(|above| std::fs::read_to_string(above.join(path)).ok());
        let index = usize::try_from(line).unwrap_or_default().saturating_sub(1);
        let source = text.and_then(|text| Some(text.lines().nth(index)?.trim().to_owned()));
        (Some(shown), source)
    }
}

/// Builds the programs with the tests of a crate. Cargo's messages go to standard error.
fn build_programs(folder: &Path) -> Result<Vec<PathBuf>, TestKitError> {
    let output = Command::new("cargo")
        .args(["test", "--no-run", "--message-format", "json-render-diagnostics"])
        .args(["--lib", "--bins", "--tests"])
        .arg("--manifest-path")
        .arg(folder.join("Cargo.toml"))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(TestKitError::Cargo)?;
    if !output.status.success() {
        return Err(TestKitError::CargoTest);
    }
    let lines = output.stdout.split(|byte| *byte == b'\n');
    let messages = lines.filter_map(|line| serde_json::from_slice::<CargoMessage>(line).ok());
    let of_tests = messages.filter(|message| message.profile.as_ref().is_some_and(|it| it.test));
    Ok(of_tests.filter_map(|message| message.executable).collect())
}

/// Lists the tests of a program.
fn list_tests(folder: &Path, program: &Path) -> Result<Vec<String>, TestKitError> {
    let output = Command::new(program)
        .args(["--list", "--format", "terse"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| TestKitError::Io { path: program.to_owned(), source })?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
}

/// Finds the panic in what a failed test has written to standard error.
fn parse_failure(text: &str) -> TestFailure {
    let (text, trace) = text.split_once("\nstack backtrace:").unwrap_or((text, ""));
    let mut lines = text.lines();
    let place = lines.find_map(parse_panic_place);
    let message = lines.take_while(|line| !line.starts_with("note: run with"));
    let message = message.collect::<Vec<_>>().join("\n").trim().to_owned();
    let (path, line) = place.unzip();
    TestFailure {
        message: if message.is_empty() { text.trim().to_owned() } else { message },
        path,
        line,
        source: None,
        trace: trace.trim().to_owned(),
    }
}

/// Parses `thread 'NAME' (ID) panicked at src/lib.rs:10:5:`.
fn parse_panic_place(line: &str) -> Option<(String, u32)> {
    let (_, place) = line.split_once(" panicked at ")?;
    let mut parts = place.trim_end_matches(':').rsplitn(3, ':');
    let (_column, line, path) = (parts.next()?, parts.next()?, parts.next()?);
    Some((path.to_owned(), line.parse().ok()?))
}

/// The lines that a test has printed, without those of its runner.
fn printed_lines(text: &str) -> impl Iterator<Item = &str> {
    let is_of_runner = |line: &str| {
        line.is_empty()
            || line.starts_with("running ")
            || line.starts_with("test ")
            || line.starts_with("test result: ")
            || line.starts_with("failures:")
            || line.starts_with("    ")
    };
    text.lines().filter(move |line| !is_of_runner(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\nthread 'tests::one' (7) panicked at src/lib.rs:98:9:\nassertion `left == right` failed\n  \
                          left: 1\n right: 2\n";

    #[test]
    fn a_failure_has_the_message_and_the_place_of_the_panic() {
        let hint =
            "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n";
        let failure = parse_failure(&format!("{OUTPUT}{hint}"));
        assert_eq!(failure.message, "assertion `left == right` failed\n  left: 1\n right: 2");
        assert_eq!((failure.path.as_deref(), failure.line), (Some("src/lib.rs"), Some(98)));
        assert!(failure.trace.is_empty());
    }

    #[test]
    fn the_trace_is_no_part_of_the_message() {
        let failure = parse_failure(&format!("{OUTPUT}stack backtrace:\n   0: one\n"));
        assert_eq!(failure.message, "assertion `left == right` failed\n  left: 1\n right: 2");
        assert_eq!(failure.trace, "0: one");
    }

    #[test]
    fn a_test_that_ends_without_a_panic_shows_what_it_wrote() {
        let failure = parse_failure("fatal runtime error: stack overflow\n");
        assert_eq!(failure.message, "fatal runtime error: stack overflow");
        assert_eq!(failure.path, None);
    }

    #[test]
    fn lines_of_the_runner_are_not_lines_of_the_test() {
        let text = "\nrunning 1 test\nhello\ntest tests::one ... FAILED\n\nfailures:\n    tests::one\n\ntest result: FAILED.\n";
        assert_eq!(printed_lines(text).collect::<Vec<_>>(), ["hello"]);
    }
}
