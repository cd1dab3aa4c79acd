//! The source of a plugin, compiled by the runtime of its language.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::Instance as Exports;

use super::compiled_runtime::CompiledRuntime;
use super::runtime_error::RuntimeError;
use super::source_problem::SourceProblems;
use crate::bindings::source_loader_world::exports::narrowboat::consumer::runtime::{
    Entries, File, Program as GuestProgram,
};
use crate::instance::GuestStore;
use crate::store::{GuestState, Phase, SuppressReason};
use crate::version::Version;
use narrowboat_core::component::Role;
use narrowboat_core::manifest::{EntryPoint, SourceSettings};
use narrowboat_core::source_bundle::SourceBundle;

/// The source of a plugin, compiled by the runtime of its language. Each instance loads it before anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    pub(super) code: Arc<[u8]>,
    pub(super) has_consumer: bool,
    pub(super) has_worker: bool,
}

impl Program {
    /// Compiles the files of a bundle in an instance of `version`, which has no program yet. The instance is dropped and
    /// has no effects.
    ///
    /// # Errors
    /// The problems in the source, or the fault of the instance.
    pub(crate) fn compile(
        version: &Arc<Version>,
        runtime: &CompiledRuntime,
        bundle: &SourceBundle<'_>,
        settings: &SourceSettings,
    ) -> Result<Self, RuntimeError> {
        let role = Role::Consumer;
        let pool_slots = version.force_reserve_pool_slots();
        let (mut store, loader) = GuestStore::instantiate(
            Arc::clone(version),
            role,
            pool_slots,
            Some(SuppressReason::Trial),
            |_, store, exports| runtime.loader_indices.load(store, exports),
        )
        .map_err(RuntimeError::Fault)?;
        let files: Vec<_> = bundle
            .files()
            .iter()
            .map(|file| File { path: file.path.as_str(), content: file.content })
            .collect();
        let entries = Entries {
            consumer: settings.consumer.as_ref().map(EntryPoint::as_str),
            worker: settings.worker.as_ref().map(EntryPoint::as_str),
        };
        store.set_phase(Phase::Load);
        let compiled = store.call_with_deadline(|_, store| {
            loader.narrowboat_consumer_runtime().call_compile(store, &files, entries)
        });
        match compiled.map_err(RuntimeError::Fault)? {
            Ok(program) => Ok(Self::from(program)),
            Err(problems) => Err(SourceProblems::new(problems).into()),
        }
    }

    /// Loads the program into a new instance.
    ///
    /// # Errors
    /// A trap, or [`SourceProblems`].
    pub(crate) fn load(
        &self,
        runtime: &CompiledRuntime,
        store: &mut Store<GuestState>,
        exports: &Exports,
    ) -> wasmtime::Result<()> {
        let loader = runtime.loader_indices.load(&mut *store, exports)?;
        loader
            .narrowboat_consumer_runtime()
            .call_load(store, &self.code)?
            .map_err(|problems| SourceProblems::new(problems).into())
    }

    /// Encodes the program for the cache: a byte with the roles, then the code.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let roles = u8::from(self.has_consumer) | u8::from(self.has_worker) << 1;
        [&[roles], &*self.code].concat()
    }

    /// Decodes a program of the cache.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (roles, code) = bytes.split_first()?;
        Some(Self { code: code.into(), has_consumer: roles & 1 != 0, has_worker: roles & 2 != 0 })
    }

    /// Whether the program has a class for a role.
    pub(crate) fn has_role(&self, role: Role) -> bool {
        match role {
            Role::Consumer => self.has_consumer,
            Role::Worker => self.has_worker,
        }
    }
}

impl From<GuestProgram> for Program {
    fn from(GuestProgram { code, has_consumer, has_worker }: GuestProgram) -> Self {
        Self { code: code.into(), has_consumer, has_worker }
    }
}
