//! The tests of a source plugin, in an instance of their own.

use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

use crate::bindings::source_tests_world::SourceTests as GuestTests;
use crate::bindings::source_tests_world::exports::narrowboat::consumer::runtime::File;
use crate::bindings::source_tests_world::exports::narrowboat::consumer::tests::{
    Failure as GuestFailure, Outcome as GuestOutcome,
};
use crate::build::Build;
use crate::instance::GuestStore;
use crate::language_runtime::{CompiledRuntime, RuntimeError, SourceProblems};
use crate::loader::{LoadError, Loader};
use crate::store::{Phase, TestHostCall, TestHostLink};
use crate::version::Version;
use narrowboat_core::component::Role;
use narrowboat_core::fault::GuestFault;
use narrowboat_core::manifest::{Language, Manifest};
use narrowboat_core::source_bundle::SourceBundle;

/// An instance of a runtime that runs the tests of a source plugin.
pub struct SourceTests {
    store: GuestStore,
    guest: GuestTests,
}

/// A test of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestCase {
    /// The name, which is unique within the plugin.
    pub name: String,
    /// The path of its file, relative to the plugin's folder.
    pub path: String,
    /// Its line, from 1.
    pub line: u32,
}

/// The outcome of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestOutcome {
    /// The test passed.
    Passed,
    /// The test did not run, for this reason.
    Skipped(String),
    /// The test failed.
    Failed(TestFailure),
}

/// Why a test failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TestFailure {
    /// The failed assertion or the error, with the values. One or more lines.
    pub message: String,
    /// The path of the file with the failed assertion, or with the error.
    pub path: Option<String>,
    /// Its line, from 1.
    pub line: Option<u32>,
    /// The text of the line.
    pub source: Option<String>,
    /// The whole traceback or stack.
    pub trace: String,
}

/// Why the tests of a plugin cannot be listed.
#[derive(Debug, Error)]
pub enum CollectError {
    /// The bundle of the files is wrong.
    #[error(transparent)]
    Load(#[from] Box<LoadError>),
    /// The runtime cannot run the source.
    #[error("the source {0}")]
    Runtime(#[from] RuntimeError),
    /// The runtime has no function that runs tests.
    #[error("the {0} runtime of this program cannot run tests; build the program again")]
    NoTests(Language),
}

impl SourceTests {
    /// Loads the files of a bundle, which has the plugin's files and those of its tests, and lists the tests. `loader`
    /// has the limits of the tests: `load_time` is the time to load the files, and `call_time` that of one test. Blocks.
    ///
    /// # Errors
    /// The problems in the source.
    pub fn collect(
        loader: &Loader,
        plugin: &str,
        bundle: &Build,
    ) -> Result<(Self, Vec<TestCase>), CollectError> {
        let (parsed, runtime, version) = loader.open_tests(plugin, bundle)?;
        let language = runtime.image.language;
        let indices = runtime.tests_indices.as_ref().ok_or(CollectError::NoTests(language))?;
        let (store, guest) = GuestStore::instantiate(
            Arc::clone(&version),
            Role::Consumer,
            version.force_reserve_pool_slots(),
            None,
            |_, store, exports| indices.load(store, exports),
        )
        .map_err(RuntimeError::Fault)?;
        let mut tests = Self { store, guest };
        let cases = tests.load_files(&parsed)?;
        Ok((tests, cases))
    }

    /// Loads the files into the instance, and lists the tests.
    fn load_files(&mut self, bundle: &SourceBundle<'_>) -> Result<Vec<TestCase>, RuntimeError> {
        let files = bundle.files().iter();
        let files: Vec<_> =
            files.map(|file| File { path: file.path.as_str(), content: file.content }).collect();
        self.store.set_phase(Phase::Load);
        let guest = &self.guest;
        let collected = self.store.call_with_deadline(|_, store| {
            guest.narrowboat_consumer_tests().call_collect(store, &files)
        });
        self.store.set_phase(Phase::Run);
        let cases = collected.map_err(RuntimeError::Fault)?.map_err(SourceProblems::new)?;
        let cases = cases.into_iter();
        Ok(cases
            .map(|case| TestCase { name: case.name, path: case.path, line: case.line })
            .collect())
    }

    /// Runs a test. Its requests go to `host`. Blocks until the test ends.
    ///
    /// # Errors
    /// If the test ends its instance, for example because it runs for too long. The other tests need a new instance.
    pub fn run(&mut self, name: &str, host: TestHostCall) -> Result<TestOutcome, GuestFault> {
        self.store.data_mut().test_host = Some(Box::new(TestHostLink::new(host)));
        let guest = &self.guest;
        let outcome = self
            .store
            .call_with_deadline(|_, store| guest.narrowboat_consumer_tests().call_run(store, name));
        self.store.data_mut().test_host = None;
        drop(self.store.take_effects());
        Ok(match outcome? {
            GuestOutcome::Passed => TestOutcome::Passed,
            GuestOutcome::Skipped(reason) => TestOutcome::Skipped(reason),
            GuestOutcome::Failed(failure) => TestOutcome::Failed(failure.into()),
        })
    }
}

impl From<GuestFailure> for TestFailure {
    fn from(failure: GuestFailure) -> Self {
        let GuestFailure { message, path, line, source, trace } = failure;
        Self { message, path, line, source, trace }
    }
}

/// The manifest of the instance that runs tests: it has no capability of the plugin, and may log.
const TESTS_MANIFEST: &[u8] = b"name = \"tests\"\n[capabilities]\nlog = true\n";

impl Loader {
    /// Opens the bundle of the tests of a plugin, and makes the version that runs them.
    fn open_tests<'a>(
        &self,
        plugin: &str,
        build: &'a Build,
    ) -> Result<(SourceBundle<'a>, Arc<CompiledRuntime>, Arc<Version>), CollectError> {
        let (bundle, language) = self.parse_bundle(plugin, Path::new("tests"), build)?;
        let runtime = self.runtimes.get(&self.engine, language, None)?;
        let manifest = Manifest::parse_of_component(TESTS_MANIFEST).unwrap_or_default();
        let ctx = self.new_context(plugin, &self.limits, &runtime.resources, manifest, build);
        let version = Version::for_source(&self.engine, build, &runtime, Arc::new(ctx));
        Ok((bundle, runtime, Arc::new(version)))
    }
}
