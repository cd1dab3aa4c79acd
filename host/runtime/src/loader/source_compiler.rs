//! Compiles the source of a plugin with the runtime of its language.

use std::sync::Arc;

use crate::bindings::source_loader_world::exports::narrowboat::consumer::runtime::{Entries, File};
use crate::build::Build;
use crate::engine::Engine;
use crate::instance::GuestStore;
use crate::language_runtime::{CompiledRuntime, Program, RuntimeError, SourceProblems};
use crate::store::{Phase, SuppressReason, VersionContext};
use crate::version::Version;
use narrowboat_core::component::Role;
use narrowboat_core::manifest::{EntryPoint, SourceSettings};
use narrowboat_core::source_bundle::SourceBundle;

/// Compiles the source of a bundle, unless another version has the same bytes or the cache has its program. Blocks, so do not call it from async code.
///
/// # Errors
/// The problems in the source, or the fault of the instance that compiles it.
pub(super) fn compile_source(
    engine: &Engine,
    build: &Build,
    (bundle, settings): (&SourceBundle<'_>, &SourceSettings),
    runtime: Arc<CompiledRuntime>,
    ctx: Arc<VersionContext>,
) -> Result<Arc<Version>, RuntimeError> {
    let version = Arc::new(Version::for_source(engine, build, &runtime, ctx));
    let program = match find_program(engine, build, &runtime) {
        Some(program) => program,
        None => {
            let program = compile_program(&version, &runtime, bundle, settings)?;
            if let Some(cache) = engine.code_cache() {
                cache.store_program(build.digest(), runtime.image.digest, &program.encode());
            }
            runtime.programs.share(build.digest(), program)
        }
    };
    build.record_runtime(&runtime.image);
    version.set_program(runtime, program);
    Ok(version)
}

/// Returns the program of a bundle, if versions hold it or the cache has it.
fn find_program(engine: &Engine, build: &Build, runtime: &CompiledRuntime) -> Option<Arc<Program>> {
    runtime.programs.find(build.digest()).or_else(|| {
        let cached = engine.code_cache()?.load_program(build.digest(), runtime.image.digest)?;
        Some(runtime.programs.share(build.digest(), Program::decode(&cached)?))
    })
}

/// Compiles the files of a bundle in an instance that is dropped and has no effects.
fn compile_program(
    version: &Arc<Version>,
    runtime: &CompiledRuntime,
    bundle: &SourceBundle<'_>,
    settings: &SourceSettings,
) -> Result<Program, RuntimeError> {
    let (mut store, loader) = GuestStore::instantiate(
        Arc::clone(version),
        Role::Consumer,
        version.force_reserve_pool_slots(),
        Some(SuppressReason::Trial),
        |_, store, exports| runtime.loader_indices.load(store, exports),
    )
    .map_err(RuntimeError::Fault)?;
    let files = bundle.files().iter();
    let files: Vec<_> =
        files.map(|file| File { path: file.path.as_str(), content: file.content }).collect();
    let entries = Entries {
        consumer: settings.consumer.as_ref().map(EntryPoint::as_str),
        worker: settings.worker.as_ref().map(EntryPoint::as_str),
    };
    store.set_phase(Phase::Load);
    let compiled = store.call_with_deadline(|_, store| {
        loader.narrowboat_consumer_runtime().call_compile(store, &files, entries)
    });
    match compiled.map_err(RuntimeError::Fault)? {
        Ok(program) => Ok(Program::from(program)),
        Err(problems) => Err(SourceProblems::new(problems).into()),
    }
}
