//! The plugin that this instance runs.

use rquickjs::{Array, Ctx, Error, Exception, Function, Module, Object, Result, Value};

use crate::engine;
use crate::entry_candidate::EntryCandidate;
use crate::failure::Failure;
use crate::module_loader::{self, ModuleSource, ProgramModules};
use crate::natives;
use crate::problem::{self, Problems};
use crate::program::{Entry, Program};
use crate::rejections;
use crate::runtime_modules;
use crate::source_file::STATE_EXPORT;

/// The exports that have the classes of a plugin.
pub struct Classes {
    /// The class of the consumers.
    pub consumer: Option<Entry>,
    /// The class of the worker.
    pub worker: Option<Entry>,
}

/// Loads a program.
///
/// # Errors
/// The problems of the program or of its modules.
pub fn load(bytes: &[u8]) -> std::result::Result<(), Problems> {
    let mut program = Program::decode(bytes).map_err(|message| vec![problem::general(message)])?;
    let modules = ProgramModules::new(&mut program);
    module_loader::set_source(ModuleSource::Program(modules));
    let Program { consumer, worker, own_modules, .. } = program;
    let entries = EntryCandidate::named(consumer, worker);
    match start(&entries, &own_modules) {
        Ok(_) => Ok(()),
        Err(failure) => Err(vec![problem::of_failure(&failure, |_| None)]),
    }
}

/// Starts the runtime, runs the modules of the entries, and takes their classes.
///
/// # Errors
/// The exception of a module, or an error if an entry is not the class of its role, or if several are.
pub fn start(
    entries: &[EntryCandidate],
    own_modules: &[String],
) -> std::result::Result<Classes, Failure> {
    let classes = engine::attempt(|ctx| {
        let runtime: Object<'_> = import(ctx, runtime_modules::RUNTIME)?;
        let install: Function<'_> = runtime.get("install")?;
        let hooks: Object<'_> = install.call((natives::make(ctx)?,))?;
        engine::set_hooks(ctx, hooks.clone());
        let values = Array::new(ctx.clone())?;
        for (index, candidate) in entries.iter().enumerate() {
            values.set(index, candidate_value(ctx, candidate)?)?;
        }
        let modules = Array::new(ctx.clone())?;
        for (index, name) in own_modules.iter().enumerate() {
            let names: Value<'_> = import(ctx, name)?.get(STATE_EXPORT)?;
            let pair = Array::new(ctx.clone())?;
            pair.set(0, name.as_str())?;
            pair.set(1, names)?;
            modules.set(index, pair)?;
        }
        let start: Function<'_> = hooks.get("start")?;
        let found: Object<'_> = start.call((values, modules))?;
        let entry_at = |index: Option<usize>| Some(entries.get(index?)?.entry.clone());
        Ok(Classes {
            consumer: entry_at(found.get("consumer")?),
            worker: entry_at(found.get("worker")?),
        })
    });
    if classes.is_err() {
        // The import of the module is a promise that was rejected with the same exception.
        let _ = engine::execute_jobs();
        rejections::clear();
        return classes;
    }
    engine::run_jobs().and(classes)
}

/// An array with the text of the entry, the value of its export, and the name of its role.
fn candidate_value<'js>(ctx: &Ctx<'js>, candidate: &EntryCandidate) -> Result<Array<'js>> {
    let EntryCandidate { entry: Entry { module, export }, role } = candidate;
    let value: Value<'js> = import(ctx, module)?.get(export.as_str())?;
    let triple = Array::new(ctx.clone())?;
    triple.set(0, format!("{module}:{export}"))?;
    triple.set(1, value)?;
    triple.set(2, role.name())?;
    Ok(triple)
}

/// Imports a module, and returns its names.
///
/// # Errors
/// The exception of the module, or an Error if it waits.
pub fn import<'js>(ctx: &Ctx<'js>, name: &str) -> Result<Object<'js>> {
    match Module::import(ctx, name)?.finish() {
        Err(Error::WouldBlock) => Err(Exception::throw_message(
            ctx,
            &format!(
                "{name} or a module that it imports waits at its top level, and there is no event that could end that"
            ),
        )),
        finished => finished,
    }
}
