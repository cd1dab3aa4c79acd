//! The tests of one plugin.

use std::sync::Arc;

use crate::crate_suite::CrateSuite;
use crate::log_capture::LogCapture;
use crate::source_suite::SourceSuite;
use crate::test_kit_error::TestKitError;
use crate::test_plugin::TestPlugin;
use crate::test_result::TestResult;
use narrowboat_runtime::LanguageRuntimes;

/// The tests of one plugin.
pub enum TestSuite {
    /// Tests in the language of a source plugin, which run in the sandbox.
    Source(Box<SourceSuite>),
    /// Tests of a crate, which cargo builds for this machine.
    Crate(Box<CrateSuite>),
}

impl TestSuite {
    /// Builds the plugin, and lists its tests. `logs` is a layer of the log. Blocks.
    ///
    /// # Errors
    /// If the plugin or its tests have errors.
    pub fn open(
        plugin: TestPlugin,
        runtimes: LanguageRuntimes,
        logs: LogCapture,
    ) -> Result<Self, TestKitError> {
        let plugin = Arc::new(plugin);
        Ok(match plugin.is_crate {
            true => Self::Crate(Box::new(CrateSuite::open(plugin, runtimes, logs)?)),
            false => Self::Source(Box::new(SourceSuite::open(plugin, runtimes, logs)?)),
        })
    }

    /// The names of the tests.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Source(suite) => suite.names(),
            Self::Crate(suite) => suite.names(),
        }
    }

    /// Runs one of the tests. Blocks.
    ///
    /// # Errors
    /// If the tests cannot run any more.
    pub fn run(&mut self, name: &str) -> Result<TestResult, TestKitError> {
        match self {
            Self::Source(suite) => suite.run(name),
            Self::Crate(suite) => suite.run(name),
        }
    }
}
