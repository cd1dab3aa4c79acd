//! The plugin that this instance runs.

use rquickjs::{Array, Ctx, Error, Exception, Function, Module, Object, Result, Value};

use crate::engine;
use crate::failure::Failure;
use crate::module_loader::{self, ModuleSource, ProgramModules};
use crate::natives;
use crate::problem::{self, Problems};
use crate::program::{Entry, Program};
use crate::rejections;
use crate::runtime_modules;
use crate::source_file::STATE_EXPORT;

/// The classes that the entries have.
#[derive(Clone, Copy)]
pub struct Classes {
    /// Whether there is a class of consumers.
    pub has_consumer: bool,
    /// Whether there is a class of a worker.
    pub has_worker: bool,
}

/// Loads a program.
///
/// # Errors
/// The problems of the program or of its modules.
pub fn load(bytes: &[u8]) -> std::result::Result<(), Problems> {
    let mut program = Program::decode(bytes).map_err(|message| vec![problem::general(message)])?;
    let modules = ProgramModules::new(&mut program);
    module_loader::set_source(ModuleSource::Program(modules));
    let Program { consumer, worker, own_modules, .. } = &program;
    match start(consumer.as_ref(), worker.as_ref(), own_modules) {
        Ok(_) => Ok(()),
        Err(failure) => Err(vec![problem::of_failure(&failure, |_| None)]),
    }
}

/// Starts the runtime, runs the modules of the entries, and takes their classes.
///
/// # Errors
/// The exception of a module, or an error if an entry is not the class of a consumer or a worker.
pub fn start(
    consumer: Option<&Entry>,
    worker: Option<&Entry>,
    own_modules: &[String],
) -> std::result::Result<Classes, Failure> {
    let classes = engine::attempt(|ctx| {
        let runtime: Object<'_> = import(ctx, runtime_modules::RUNTIME)?;
        let install: Function<'_> = runtime.get("install")?;
        let hooks: Object<'_> = install.call((natives::make(ctx)?,))?;
        engine::set_hooks(ctx, hooks.clone());
        let entries = [entry_value(ctx, consumer)?, entry_value(ctx, worker)?];
        let modules = Array::new(ctx.clone())?;
        for (index, name) in own_modules.iter().enumerate() {
            let names: Value<'_> = import(ctx, name)?.get(STATE_EXPORT)?;
            let pair = Array::new(ctx.clone())?;
            pair.set(0, name.as_str())?;
            pair.set(1, names)?;
            modules.set(index, pair)?;
        }
        let start: Function<'_> = hooks.get("start")?;
        let [consumer, worker] = entries;
        let found: Object<'_> = start.call((consumer, worker, modules))?;
        Ok(Classes { has_consumer: found.get("hasConsumer")?, has_worker: found.get("hasWorker")? })
    });
    if classes.is_err() {
        // The import of the module is a promise that was rejected with the same exception.
        let _ = engine::execute_jobs();
        rejections::clear();
        return classes;
    }
    engine::run_jobs().and(classes)
}

/// An array with the text of the entry and the value of its export.
fn entry_value<'js>(ctx: &Ctx<'js>, entry: Option<&Entry>) -> Result<Value<'js>> {
    let Some(Entry { module, export }) = entry else {
        return Ok(Value::new_undefined(ctx.clone()));
    };
    let value: Value<'js> = import(ctx, module)?.get(export.as_str())?;
    let pair = Array::new(ctx.clone())?;
    pair.set(0, format!("{module}:{export}"))?;
    pair.set(1, value)?;
    Ok(pair.into_value())
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
