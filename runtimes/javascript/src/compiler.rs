//! Compiles the files of a plugin to a program.

use std::collections::{HashMap, HashSet};

use crate::bindings::exports::narrowboat::consumer::runtime::{Entries, File};
use crate::dynamic_imports::Import;
use crate::entry_candidate::{EntryCandidate, EntryRole};
use crate::failure::Failure;
use crate::instance::{self, Classes};
use crate::module_loader::{self, ModuleSource, ProgramModules};
use crate::package_resolver::{PackageResolver, is_of_package};
use crate::problem::{self, Problem, Problems};
use crate::program::{Entry, Program, ProgramModule, Resolution};
use crate::{dynamic_imports, engine, import_problems, runtime_modules, source_file};

/// The files that have the classes of a plugin whose manifest names none, without their endings.
const MAIN_FILES: [&str; 3] = ["consumers", "index", "main"];

/// The endings of the files of modules.
pub const ENDINGS: [&str; 4] = [".ts", ".mts", ".js", ".mjs"];

/// Compiles the modules of a plugin as they are imported.
pub struct Compiler {
    files: HashMap<String, Vec<u8>>,
    modules: Vec<ProgramModule>,
    resolutions: Vec<Resolution>,
    known_resolutions: HashSet<Resolution>,
    packages: PackageResolver,
    own_modules: Vec<String>,
    problems: Problems,
    /// The problems of imports that mean no module. They count if the plugin does not start.
    unresolved: Problems,
    /// The imports that are not compiled yet.
    later_imports: Vec<Import>,
    /// Whether the modules that the plugin starts with are compiled.
    is_started: bool,
}

/// Compiles files. Runs the modules of the entries.
///
/// # Errors
/// The problems of the source.
pub fn compile(files: Vec<File>, entries: Entries) -> Result<Program, Problems> {
    let named = [entries.consumer, entries.worker];
    let compiler = Compiler::new(files);
    let entries = compiler.find_entries(named)?;
    module_loader::set_source(ModuleSource::Compiler(compiler));
    let started = instance::start(&entries, &[]);
    let ran = started.and_then(|classes| compile_the_rest().map(|()| classes));
    let compiler = module_loader::take_compiler().expect("the compiler is there until it is taken");
    let classes = ran.map_err(|failure| compiler.problems_of(&failure))?;
    if !compiler.problems.is_empty() {
        return Err(compiler.problems);
    }
    Ok(compiler.into_program(classes))
}

/// Compiles the modules that the source imports later, and those of the runtime whose globals it mentions.
///
/// # Errors
/// The syntax error of a module.
pub fn compile_the_rest() -> Result<(), Failure> {
    module_loader::end_start();
    dynamic_imports::compile()?;
    let mut texts = module_loader::plugin_texts().into_iter();
    texts.try_for_each(|text| engine::run("preload", |_, preload| preload.call((text,))))
}

impl Compiler {
    /// Creates a compiler of the modules among the files.
    pub fn new(files: Vec<File>) -> Self {
        Self {
            files: files.into_iter().map(|file| (file.path, file.content)).collect(),
            modules: Vec::new(),
            resolutions: Vec::new(),
            known_resolutions: HashSet::new(),
            packages: PackageResolver::default(),
            own_modules: Vec::new(),
            problems: Vec::new(),
            unresolved: Vec::new(),
            later_imports: Vec::new(),
            is_started: false,
        }
    }

    /// Finds the exports that may have the classes.
    fn find_entries(&self, named: [Option<String>; 2]) -> Result<Vec<EntryCandidate>, Problems> {
        let [consumer, worker] = named;
        let consumer = consumer.map(|entry| self.find_entry("consumer", &entry)).transpose()?;
        let worker = worker.map(|entry| self.find_entry("worker", &entry)).transpose()?;
        let mut entries = match (&consumer, &worker) {
            (Some(_), _) => Vec::new(),
            (None, Some(worker)) => self.find_consumers(worker),
            (None, None) => vec![self.find_main_entry()?],
        };
        entries.extend(EntryCandidate::named(consumer, worker));
        Ok(entries)
    }

    /// The default export of the main file, which has the class of a plugin whose manifest names none.
    fn find_main_entry(&self) -> Result<EntryCandidate, Problems> {
        match self.find_main_file().or_else(|| self.find_only_module()) {
            Some(module) => Ok(EntryCandidate::default_export(module, EntryRole::Main)),
            None => Err(vec![problem::general(
                "the plugin has no file consumers.js, consumers.ts, index.js or main.js: name the class in plugin.toml, \
                 for example consumer = \"chat:default\"",
            )]),
        }
    }

    /// The default exports that may be a consumer beside a named worker: those of its module and of the main file.
    fn find_consumers(&self, worker: &Entry) -> Vec<EntryCandidate> {
        let main = self.find_main_file().filter(|main| *main != worker.module);
        let modules = std::iter::once(worker.module.clone()).chain(main);
        let entries =
            modules.map(|module| EntryCandidate::default_export(module, EntryRole::Candidate));
        entries.filter(|candidate| candidate.entry != *worker).collect()
    }

    fn find_main_file(&self) -> Option<String> {
        MAIN_FILES.iter().find_map(|name| self.find_file(name))
    }

    fn find_entry(&self, key: &str, entry: &str) -> Result<Entry, Problems> {
        let (module, export) = entry.split_once(':').unwrap_or((entry, "default"));
        let file = self.find_file(module).or_else(|| self.find_file(&module.replace('.', "/")));
        let Some(module) = file else {
            let message =
                format!("{key} = \"{entry}\" in plugin.toml: the plugin has no module {module}");
            return Err(vec![problem::general(message)]);
        };
        Ok(Entry { module, export: export.to_owned() })
    }

    fn find_file(&self, name: &str) -> Option<String> {
        let exact = ENDINGS.iter().any(|ending| name.ends_with(ending)).then(|| name.to_owned());
        let candidates = exact.into_iter().chain(ENDINGS.map(|ending| format!("{name}{ending}")));
        candidates.into_iter().find(|path| self.files.contains_key(path))
    }

    fn find_only_module(&self) -> Option<String> {
        let is_module = |path: &&String| {
            !path.contains('/')
                && is_module_file(path)
                && !path.ends_with(".d.ts")
                && !path.contains(".test.")
        };
        let mut modules = self.files.keys().filter(is_module);
        let only = modules.next()?;
        modules.next().is_none().then(|| only.clone())
    }

    /// Finds the module that a specifier means in a module, and records it.
    ///
    /// # Errors
    /// A text for the author.
    pub fn resolve(&mut self, base: &str, specifier: &str) -> Result<String, String> {
        let target = match runtime_modules::resolve(base, specifier) {
            Some(target) => target,
            None => self.packages.resolve(&self.files, base, specifier).inspect_err(|message| {
                self.unresolved.push(import_problems::unresolved(
                    &self.files,
                    base,
                    specifier,
                    message,
                ));
            })?,
        };
        let resolution =
            Resolution { base: base.to_owned(), specifier: specifier.to_owned(), target };
        let target = resolution.target.clone();
        if self.known_resolutions.insert(resolution.clone()) {
            self.resolutions.push(resolution);
        }
        Ok(target)
    }

    /// Returns the text of a module in JavaScript.
    ///
    /// # Errors
    /// A text for the author. The problems of the file are recorded.
    pub fn text(&mut self, name: &str) -> Result<String, String> {
        if let Some(text) = runtime_modules::text(name) {
            return Ok(text.to_owned());
        }
        let content =
            self.files.get(name).ok_or_else(|| format!("the plugin has no file {name}"))?;
        let Ok(text) = String::from_utf8(content.clone()) else {
            return Err(self.add_problem(problem::in_file(name, "the text is not UTF-8")));
        };
        if name.ends_with(".json") {
            return source_file::json_module(name, &text)
                .map_err(|problem| self.add_problem(problem));
        }
        let text = source_file::to_javascript(name, text.trim_start_matches('\u{feff}'));
        match text {
            Ok(text) if !is_of_package(name) && !self.is_started => {
                self.add_later_imports(name, &text);
                self.own_modules.push(name.to_owned());
                Ok(source_file::export_names(text))
            }
            Ok(text) => {
                self.add_later_imports(name, &text);
                Ok(text)
            }
            Err(problems) => {
                self.problems.extend(problems);
                Err("the file has errors".to_owned())
            }
        }
    }

    /// Adds the imports of a module that the engine does not follow while it compiles.
    fn add_later_imports(&mut self, name: &str, text: &str) {
        let mut specifiers = dynamic_imports::find(text);
        if self.is_started {
            specifiers.extend(source_file::imports(text));
        }
        self.later_imports
            .extend(specifiers.into_iter().map(|specifier| (name.to_owned(), specifier)));
    }

    /// Takes the imports that are not compiled yet.
    pub fn take_later_imports(&mut self) -> Vec<Import> {
        std::mem::take(&mut self.later_imports)
    }

    /// Returns the name and the text of an imported module, unless it is compiled, missing or wrong.
    pub fn later_module(&mut self, base: &str, specifier: &str) -> Option<(String, String)> {
        let name = self.resolve(base, specifier).ok()?;
        let is_compiled = self.modules.iter().any(|module| module.name == name);
        let text = if is_compiled { None } else { self.text(&name).ok() };
        text.map(|text| (name, text))
    }

    /// Ends the part in which the modules are compiled that the plugin starts with. Only these have state.
    pub fn end_start(&mut self) {
        self.is_started = true;
    }

    /// The texts of the compiled modules of the plugin and of its packages.
    pub fn plugin_texts(&self) -> Vec<String> {
        let files = self.modules.iter().filter_map(|module| self.files.get(&module.name));
        files.map(|content| String::from_utf8_lossy(content).into_owned()).collect()
    }

    fn add_problem(&mut self, problem: Problem) -> String {
        let message = problem.message.clone();
        self.problems.push(problem);
        message
    }

    /// Adds a compiled module.
    pub fn add_module(&mut self, name: &str, bytecode: Vec<u8>) {
        self.modules.push(ProgramModule { name: name.to_owned(), bytecode });
    }

    /// Takes the problems that have led to a failure.
    pub fn take_problems_of(&mut self, failure: &Failure) -> Problems {
        let problems = self.problems_of(failure);
        self.problems.clear();
        self.unresolved.clear();
        problems
    }

    fn problems_of(&self, failure: &Failure) -> Problems {
        if !self.problems.is_empty() {
            return self.problems.clone();
        }
        if failure.line.contains("Error resolving module") && !self.unresolved.is_empty() {
            return self.unresolved.clone();
        }
        let missing =
            import_problems::missing_export(&self.files, &self.resolutions, &failure.line);
        if let Some(problem) = missing {
            return vec![problem];
        }
        let text_of = |path: &str| {
            self.files.get(path).map(|content| String::from_utf8_lossy(content).into_owned())
        };
        vec![problem::of_failure(failure, text_of)]
    }

    /// Returns the compiled modules and the files of the plugin.
    pub fn into_modules(self) -> (ProgramModules, HashMap<String, Vec<u8>>) {
        let Self { modules, resolutions, own_modules, files, .. } = self;
        let mut program = Program::new(modules, resolutions, own_modules, None, None);
        (ProgramModules::new(&mut program), files)
    }

    fn into_program(self, classes: Classes) -> Program {
        let Classes { consumer, worker } = classes;
        Program::new(self.modules, self.resolutions, self.own_modules, consumer, worker)
    }
}

/// Whether a path is that of a module.
pub fn is_module_file(path: &str) -> bool {
    ENDINGS.iter().any(|ending| path.ends_with(ending))
}
