//! Resolves the imports of modules, and loads modules.

use std::cell::RefCell;
use std::collections::HashMap;

use rquickjs::loader::{ImportAttributes, Loader, Resolver};
use rquickjs::module::Declared;
use rquickjs::{Ctx, Error, Module, Result, WriteOptions};

use crate::compiler::Compiler;
use crate::dynamic_imports::Import;
use crate::failure::Failure;
use crate::problem::Problems;
use crate::program::Program;
use crate::runtime_modules;

/// The modules that this instance can import.
pub enum ModuleSource {
    /// The instance has no plugin yet.
    None,
    /// The instance compiles a plugin: modules are compiled when they are imported.
    Compiler(Compiler),
    /// The instance runs a program.
    Program(ProgramModules),
}

/// The modules of a program.
#[derive(Default, Clone)]
pub struct ProgramModules {
    bytecode: HashMap<String, Vec<u8>>,
    targets: HashMap<(String, String), String>,
}

impl ProgramModules {
    /// Takes the modules out of a program.
    pub fn new(program: &mut Program) -> Self {
        let modules = program.modules.drain(..);
        let resolutions = program.resolutions.drain(..);
        Self {
            bytecode: modules.map(|module| (module.name, module.bytecode)).collect(),
            targets: resolutions.map(|it| ((it.base, it.specifier), it.target)).collect(),
        }
    }

    fn resolve(&self, base: &str, specifier: &str) -> Option<String> {
        self.targets.get(&(base.to_owned(), specifier.to_owned())).cloned()
    }
}

thread_local! {
    static SOURCE: RefCell<ModuleSource> = const { RefCell::new(ModuleSource::None) };
}

/// Sets the modules that this instance can import.
pub fn set_source(source: ModuleSource) {
    SOURCE.replace(source);
}

/// Ends compiling, and returns the compiler.
pub fn take_compiler() -> Option<Compiler> {
    match SOURCE.replace(ModuleSource::None) {
        ModuleSource::Compiler(compiler) => Some(compiler),
        _ => None,
    }
}

/// Finds the module that an import specifier means.
pub struct ModuleResolver;

impl Resolver for ModuleResolver {
    fn resolve<'js>(
        &mut self,
        _: &Ctx<'js>,
        base: &str,
        specifier: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> Result<String> {
        // The host's side of the runtime imports modules by their names.
        if base.is_empty() {
            return Ok(specifier.to_owned());
        }
        let found = SOURCE.with_borrow_mut(|source| match source {
            ModuleSource::None => Err("the plugin is not loaded".to_owned()),
            ModuleSource::Compiler(compiler) => compiler.resolve(base, specifier),
            ModuleSource::Program(modules) => modules
                .resolve(base, specifier)
                .or_else(|| runtime_modules::resolve(base, specifier))
                .ok_or_else(|| {
                    format!("the plugin has no module {specifier:?} for an import in {base}")
                }),
        });
        found.map_err(|message| Error::new_resolving_message(base, specifier, message))
    }
}

/// Loads a module.
pub struct ModuleLoader;

impl Loader for ModuleLoader {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> Result<Module<'js, Declared>> {
        let code = SOURCE.with_borrow_mut(|source| match source {
            ModuleSource::None => Err("the plugin is not loaded".to_owned()),
            ModuleSource::Compiler(compiler) => compiler.text(name).map(ModuleCode::Text),
            ModuleSource::Program(modules) => modules
                .bytecode
                .remove(name)
                .map(ModuleCode::Bytecode)
                // A program has only those modules of the runtime whose globals its source mentions.
                .or_else(|| {
                    runtime_modules::text(name).map(|text| ModuleCode::Text(text.to_owned()))
                })
                .ok_or_else(|| format!("the plugin has no module {name}")),
        });
        match code.map_err(|message| Error::new_loading_message(name, message))? {
            ModuleCode::Text(text) => declare(ctx, name, text),
            // SAFETY: the compiler of this runtime made the bytecode, and the host kept it unchanged.
            ModuleCode::Bytecode(bytecode) => unsafe { Module::load(ctx.clone(), &bytecode) },
        }
    }
}

enum ModuleCode {
    Text(String),
    Bytecode(Vec<u8>),
}

/// Compiles a module, and adds it to the program if the instance compiles one.
///
/// # Errors
/// The syntax error of the module.
pub fn declare<'js>(ctx: &Ctx<'js>, name: &str, text: String) -> Result<Module<'js, Declared>> {
    let module = Module::declare(ctx.clone(), name, text)?;
    SOURCE.with_borrow_mut(|source| {
        if let ModuleSource::Compiler(compiler) = source {
            // Nothing asks a function of the runtime for its text, and stacks leave its frames out.
            let is_runtime = runtime_modules::text(name).is_some();
            let options = WriteOptions {
                strip_source: is_runtime,
                strip_debug: is_runtime,
                ..Default::default()
            };
            let bytecode = module.write(options)?;
            compiler.add_module(name, bytecode);
        }
        Ok(module)
    })
}

/// Returns the texts of the modules of the plugin that were compiled.
pub fn plugin_texts() -> Vec<String> {
    SOURCE.with_borrow(|source| match source {
        ModuleSource::Compiler(compiler) => compiler.plugin_texts(),
        _ => Vec::new(),
    })
}

/// Takes the imports that the compiled modules run later.
pub fn take_later_imports() -> Vec<Import> {
    SOURCE.with_borrow_mut(|source| match source {
        ModuleSource::Compiler(compiler) => compiler.take_later_imports(),
        _ => Vec::new(),
    })
}

/// Returns the name and the text of an imported module that is not compiled yet.
pub fn later_module(base: &str, specifier: &str) -> Option<(String, String)> {
    SOURCE.with_borrow_mut(|source| match source {
        ModuleSource::Compiler(compiler) => compiler.later_module(base, specifier),
        _ => None,
    })
}

/// Takes the problems of the compiled modules that have led to a failure.
pub fn take_problems_of(failure: &Failure) -> Problems {
    SOURCE.with_borrow_mut(|source| match source {
        ModuleSource::Compiler(compiler) => compiler.take_problems_of(failure),
        _ => Problems::new(),
    })
}

/// Tells the compiler that the modules are compiled that the plugin starts with.
pub fn end_start() {
    SOURCE.with_borrow_mut(|source| {
        if let ModuleSource::Compiler(compiler) = source {
            compiler.end_start();
        }
    });
}
