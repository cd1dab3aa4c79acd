//! The tests of a source plugin, which run in the sandbox.

use std::sync::Arc;
use std::time::Instant;

use crate::log_capture::{LogCapture, name_plugin};
use crate::test_host::{TestHost, TestHostSettings};
use crate::test_kit_error::TestKitError;
use crate::test_plugin::TestPlugin;
use crate::test_result::{TestEnd, TestResult};
use crate::virtual_clock::test_clock;
use narrowboat_config::Limits;
use narrowboat_config::signature::MissingSignature;
use narrowboat_core::units::{ByteSize, DurationSetting};
use narrowboat_deploy::packaging::{MissingPackages, PackedTests};
use narrowboat_runtime::{
    Build, ComponentCompiler, LanguageRuntimes, Loader, SourceTests, TestCase, TestFailure,
    TestOutcome,
};
use narrowboat_server::{HostEngine, loader_without_host};

/// The longest running time of one test.
const TEST_TIME: DurationSetting = DurationSetting::from_millis(10_000);

/// The memory of the instance that runs the tests.
const TEST_MEMORY: ByteSize = ByteSize::mib(512);

/// The tests of a source plugin.
pub struct SourceSuite {
    settings: TestHostSettings,
    loader: Loader,
    /// The plugin's files with those of its tests.
    bundle: Build,
    /// `None` after a test has ended its instance.
    tests: Option<SourceTests>,
    cases: Vec<TestCase>,
}

impl SourceSuite {
    /// Packs the plugin, and lists its tests.
    ///
    /// # Errors
    /// If the plugin or its tests have errors.
    pub(crate) fn open(
        plugin: Arc<TestPlugin>,
        runtimes: LanguageRuntimes,
        logs: LogCapture,
    ) -> Result<Self, TestKitError> {
        let config = plugin.config().clone();
        let limit = config.limits.max_component;
        let packed = PackedTests::from_folder(&plugin.folder, limit, MissingPackages::Install)?;
        let engine = HostEngine::new(&config, runtimes, ComponentCompiler::InProcess)?;
        let clock = test_clock();
        let limits = limits_of_tests(&config.limits);
        let loader = loader_without_host(&config, limits, engine.clone(), clock.clone());
        let bundle = Build::new(packed.with_tests, Err(MissingSignature::NotInStore));
        let (tests, cases) = SourceTests::collect(&loader, &tests_label(&plugin), &bundle)?;
        let component = Arc::new(packed.plugin);
        let settings = TestHostSettings { plugin, config, engine, logs, clock, component };
        Ok(Self { settings, loader, bundle, tests: Some(tests), cases })
    }

    /// The names of the tests.
    pub(crate) fn names(&self) -> Vec<String> {
        self.cases.iter().map(|case| case.name.clone()).collect()
    }

    /// Runs one of the tests.
    ///
    /// # Errors
    /// If the plugin or the tests cannot be loaded any more.
    pub(crate) fn run(&mut self, name: &str) -> Result<TestResult, TestKitError> {
        let mut tests = match self.tests.take() {
            Some(tests) => tests,
            None => self.load_tests()?,
        };
        self.settings.logs.clear();
        let started = Instant::now();
        let host = Arc::new(TestHost::start(self.settings.clone())?);
        let called = Arc::clone(&host);
        let outcome = tests.run(name, Box::new(move |request| called.call(request)));
        // The end of the host writes lines too.
        let lines = self.settings.logs.important_lines();
        let end = match outcome {
            Ok(outcome) => {
                self.tests = Some(tests);
                self.end_of(outcome)
            }
            Err(fault) => {
                let message = format!("the test ended its instance: {fault}");
                TestEnd::Failed(TestFailure { message, ..TestFailure::default() })
            }
        };
        let case = self.cases.iter().find(|case| case.name == name);
        Ok(TestResult {
            plugin: self.settings.plugin.name.clone(),
            name: name.to_owned(),
            place: case.map(|case| (self.display_path(&case.path), case.line)),
            duration: started.elapsed(),
            output: match &end {
                TestEnd::Failed(_) => lines.iter().map(ToString::to_string).collect(),
                TestEnd::Passed | TestEnd::Skipped(_) => Vec::new(),
            },
            end,
        })
    }

    /// The end of a test, with the path of a failure as the user names it.
    fn end_of(&self, outcome: TestOutcome) -> TestEnd {
        match outcome {
            TestOutcome::Passed => TestEnd::Passed,
            TestOutcome::Skipped(reason) => TestEnd::Skipped(reason),
            TestOutcome::Failed(failure) => {
                let path = failure.path.as_ref().map(|path| self.display_path(path));
                let message = name_plugin(&failure.message, &self.settings.plugin.name);
                TestEnd::Failed(TestFailure { path, message, ..failure })
            }
        }
    }

    /// The path of a file of the plugin as the user names it: below the folder that the command names.
    fn display_path(&self, path: &str) -> String {
        self.settings.plugin.folder.join(path).display().to_string()
    }

    /// Loads the tests into another instance.
    fn load_tests(&self) -> Result<SourceTests, TestKitError> {
        let label = tests_label(&self.settings.plugin);
        Ok(SourceTests::collect(&self.loader, &label, &self.bundle)?.0)
    }
}

/// The name of the tests in the log.
fn tests_label(plugin: &TestPlugin) -> String {
    format!("tests of {}", plugin.name)
}

/// The limits of the instance that runs the tests.
fn limits_of_tests(limits: &Limits) -> Limits {
    Limits { memory: TEST_MEMORY, call_time: TEST_TIME, load_time: TEST_TIME, ..limits.clone() }
}
