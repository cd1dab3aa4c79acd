//! The tests of a plugin.

use std::cell::RefCell;
use std::collections::HashMap;

use rquickjs::{Ctx, Function, Object, Persistent, Promise, Result as JsResult};

use crate::bindings::exports::narrowboat::consumer::runtime::File;
use crate::bindings::exports::narrowboat::consumer::tests::{self, Outcome, Test};
use crate::compiler::{self, Compiler, is_module_file};
use crate::failure::{self, Failure, Place};
use crate::module_loader::{self, ModuleSource, ProgramModules};
use crate::package_resolver::is_of_package;
use crate::problem::{self, Problem, Problems};
use crate::runtime_modules::TEST_REGISTRY;
use crate::{engine, instance, rejections};

/// The part of the name of a file that makes it one of tests, before its ending.
const TEST_MARK: &str = ".test";

thread_local! {
    static SUITE: RefCell<TestSuite> = RefCell::default();
}

/// The modules of a plugin and its tests, and the tests that they declare.
#[derive(Default)]
struct TestSuite {
    modules: ProgramModules,
    files: HashMap<String, Vec<u8>>,
    tests: Vec<Test>,
}

/// Loads the files of a plugin, and returns the tests that its files of tests declare.
///
/// # Errors
/// The problems of all files of tests.
pub fn collect(files: Vec<File>) -> Result<Vec<Test>, Problems> {
    let paths = test_files(&files);
    SUITE.take();
    engine::reset();
    module_loader::set_source(ModuleSource::Compiler(Compiler::new(files)));
    // No version takes over the variables of these modules.
    module_loader::end_start();
    let collected = load_files(&paths);
    let compiler = module_loader::take_compiler().expect("the compiler is there until it is taken");
    let (modules, files) = compiler.into_modules();
    let tests = collected?;
    SUITE.replace(TestSuite { modules, files, tests: tests.clone() });
    Ok(tests)
}

/// The paths of the files of tests, in order.
fn test_files(files: &[File]) -> Vec<String> {
    let paths = files.iter().map(|file| &file.path);
    let mut paths: Vec<_> = paths.filter(|path| is_test_file(path)).cloned().collect();
    paths.sort();
    paths
}

fn is_test_file(path: &str) -> bool {
    let stem = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
    is_module_file(path) && stem.ends_with(TEST_MARK) && !is_of_package(path)
}

/// Runs the modules of the files, and returns the tests that they declare.
fn load_files(paths: &[String]) -> Result<Vec<Test>, Problems> {
    let started = instance::start(&[], &[]);
    started.map_err(|failure| vec![problem::general(failure.line)])?;
    let mut problems = Problems::new();
    for path in paths {
        let loaded = engine::attempt(|ctx| load_file(ctx, path));
        if let Err(failure) = settle(loaded.and_then(|()| engine::execute_jobs())) {
            add_new(&mut problems, module_loader::take_problems_of(&failure));
        }
    }
    if let Err(failure) = compiler::compile_the_rest() {
        add_new(&mut problems, module_loader::take_problems_of(&failure));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    engine::attempt(declared_tests).map_err(|failure| vec![problem::general(failure.line)])
}

/// Adds problems that are not known yet: several files may import a module that has some.
fn add_new(known: &mut Problems, problems: Problems) {
    let key = |it: &Problem| (it.path.clone(), it.line, it.message.clone());
    for problem in problems {
        if !known.iter().any(|other| key(other) == key(&problem)) {
            known.push(problem);
        }
    }
}

fn load_file(ctx: &Ctx<'_>, path: &str) -> JsResult<()> {
    let begin: Function<'_> = instance::import(ctx, TEST_REGISTRY)?.get("beginFile")?;
    begin.call::<_, ()>((path,))?;
    instance::import(ctx, path).map(drop)
}

fn declared_tests(ctx: &Ctx<'_>) -> JsResult<Vec<Test>> {
    let declared: Function<'_> = instance::import(ctx, TEST_REGISTRY)?.get("declaredTests")?;
    let tests: Vec<Object<'_>> = declared.call(())?;
    tests.into_iter().map(read_test).collect()
}

/// Reads a test. Its line is that of the innermost frame of its file in the stack of its declaration.
fn read_test(test: Object<'_>) -> JsResult<Test> {
    let path: String = test.get("path")?;
    let stack: String = test.get("stack")?;
    let mut places = stack.lines().filter_map(failure::place_of);
    let line = places.find(|place| place.path == path).map_or(1, |place| place.line);
    Ok(Test { name: test.get("name")?, path, line })
}

/// Runs a test in an engine of its own, which has loaded the file of the test alone.
pub fn run(name: &str) -> Outcome {
    SUITE.with_borrow(|suite| {
        let Some(test) = suite.tests.iter().find(|test| test.name == name) else {
            let failure = Failure::new(format!("the plugin has no test {name}"), None);
            return Outcome::Failed(suite.describe(&failure, None));
        };
        match suite.run(test) {
            Ok(None) => Outcome::Passed,
            Ok(Some(reason)) => Outcome::Skipped(reason),
            Err(failure) => Outcome::Failed(suite.describe(&failure, Some(test))),
        }
    })
}

impl TestSuite {
    /// Runs a test. Returns the reason for which it is skipped.
    fn run(&self, test: &Test) -> Result<Option<String>, Failure> {
        engine::reset();
        module_loader::set_source(ModuleSource::Program(self.modules.clone()));
        instance::start(&[], &[])?;
        let promise = engine::attempt(|ctx| {
            load_file(ctx, &test.path)?;
            let run: Function<'_> = instance::import(ctx, TEST_REGISTRY)?.get("run")?;
            let promise: Promise<'_> = run.call((test.name.as_str(),))?;
            Ok(Persistent::save(ctx, promise))
        })?;
        engine::execute_jobs()?;
        take_result(promise)
    }

    /// Describes a failure at its place in the plugin, or else at the test.
    fn describe(&self, failure: &Failure, test: Option<&Test>) -> tests::Failure {
        let stack = failure.stack.as_deref().unwrap_or_default();
        let own =
            stack.lines().filter_map(failure::place_of).find(|place| self.is_own(&place.path));
        let place = own.or_else(|| test.map(place_of_test));
        let source = place.as_ref().and_then(|place| self.source_line(place));
        tests::Failure {
            message: failure.text.clone(),
            line: place.as_ref().map(|place| place.line),
            path: place.map(|place| place.path),
            source,
            // A single frame is that of the place.
            trace: if stack.lines().count() > 1 { stack.to_owned() } else { String::new() },
        }
    }

    /// Whether a file is one of the plugin, and not of a package.
    fn is_own(&self, path: &str) -> bool {
        self.files.contains_key(path) && !is_of_package(path)
    }

    fn source_line(&self, place: &Place) -> Option<String> {
        let text = String::from_utf8_lossy(self.files.get(&place.path)?);
        let index = usize::try_from(place.line).ok()?.checked_sub(1)?;
        text.lines().nth(index).map(|line| line.trim().to_owned())
    }
}

fn place_of_test(test: &Test) -> Place {
    Place { path: test.path.clone(), line: test.line, column: None }
}

/// Takes the result of a test: the reason for which it is skipped, or null.
fn take_result(promise: Persistent<Promise<'static>>) -> Result<Option<String>, Failure> {
    let result = engine::attempt(|ctx| promise.restore(ctx)?.result().transpose());
    let settled: Option<Option<String>> = settle(result)?;
    settled.ok_or_else(|| Failure::new("the test waits for a promise that never settles", None))
}

/// Returns the result, or else the failure of a promise that was rejected while nothing handles it.
fn settle<T>(result: Result<T, Failure>) -> Result<T, Failure> {
    let rejection = engine::with_context(rejections::take_first);
    let value = result?;
    let Some(rejection) = rejection else { return Ok(value) };
    let note = "the promise was rejected, and nothing handles its rejection";
    Err(Failure { text: format!("{}\n{note}", rejection.text), ..rejection })
}
