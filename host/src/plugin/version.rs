//! One build of a plugin, known by the SHA-256 of its bytes: compiled, checked, ready to be
//! instantiated.

use std::sync::Arc;

use thiserror::Error;

use super::bindings::WebsocketConsumerPre;
use super::build::Build;
use super::engine::Engine;
use super::fit::{self, Misfit};
use super::hash::Hash;
use super::state::{GuestState, Surroundings};
use super::tally::Tally;

/// One build of a plugin.
pub struct Version {
    digest: Hash,
    pub(super) engine: Engine,
    pub(super) pre: WebsocketConsumerPre<GuestState>,
    pub(super) around: Arc<Surroundings>,
    pub(super) tally: Tally,
}

/// Why bytes are no version of a plugin.
#[derive(Debug, Error)]
pub enum VersionError {
    /// Cranelift refused the code.
    #[error("does not compile: {0:#}")]
    Compile(wasmtime::Error),
    /// It was made for another host.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// It imports what this host does not have.
    #[error("imports what this host does not offer: {0:#}")]
    Import(wasmtime::Error),
    /// It does not export a consumer.
    #[error("is not of the world narrowboat:consumer/websocket-consumer: {0:#}")]
    World(wasmtime::Error),
}

impl Version {
    /// Compiles a component, unless that was done before, and checks it against the world. Takes a
    /// while: not for async threads.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn compile(
        engine: &Engine,
        build: &Build,
        around: Arc<Surroundings>,
    ) -> Result<Self, VersionError> {
        let component = engine.component(&around.plugin, build).map_err(VersionError::Compile)?;
        fit::check(&component)?;
        let linked = engine.linker().instantiate_pre(&component).map_err(VersionError::Import)?;
        let pre = WebsocketConsumerPre::new(linked).map_err(VersionError::World)?;
        let digest = build.digest();
        Ok(Self { digest, engine: engine.clone(), pre, around, tally: Tally::default() })
    }

    /// The hash that names it.
    pub fn digest(&self) -> Hash {
        self.digest
    }

    /// How it has fared.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Whether its calls belong on guest threads now.
    pub fn is_slow(&self) -> bool {
        self.around.lane.is_slow()
    }
}
