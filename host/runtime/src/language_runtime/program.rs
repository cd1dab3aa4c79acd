//! The source of a plugin, compiled by the runtime of its language.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::Instance as Exports;

use super::source_problem::SourceProblems;
use crate::bindings::source_loader_world::SourceLoaderIndices;
use crate::bindings::source_loader_world::exports::narrowboat::consumer::runtime::Program as GuestProgram;
use crate::store::GuestState;
use narrowboat_core::component::Role;

/// The source of a plugin, compiled by the runtime of its language. Each instance loads it before anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    pub(super) code: Arc<[u8]>,
    pub(super) has_consumer: bool,
    pub(super) has_worker: bool,
}

impl Program {
    /// Loads the program into a new instance.
    ///
    /// # Errors
    /// A trap, or [`SourceProblems`].
    pub(crate) fn load(
        &self,
        indices: &SourceLoaderIndices,
        store: &mut Store<GuestState>,
        exports: &Exports,
    ) -> wasmtime::Result<()> {
        let loader = indices.load(&mut *store, exports)?;
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
