//! One build of a plugin, known by the SHA-256 of its bytes: compiled, checked, ready to be
//! instantiated.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use thiserror::Error;
use wasmtime::component::Component;

use super::bindings::WebsocketConsumerPre;
use super::engine::Engine;
use super::fit::{self, Misfit};
use super::lane::LaneState;
use super::state::{GuestState, Surroundings};
use super::tally::Tally;
use crate::manifest::Lane;

/// One build of a plugin.
pub struct Version {
    digest: Hash,
    pub(super) engine: Engine,
    pub(super) pre: WebsocketConsumerPre<GuestState>,
    pub(super) around: Arc<Surroundings>,
    pub(super) lane: LaneState,
    pub(super) tally: Tally,
}

/// The SHA-256 of a component's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash([u8; 32]);

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
    /// Compiles a component and checks it against the world. Takes a while: not for async threads.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn compile(
        engine: &Engine,
        bytes: &[u8],
        around: Arc<Surroundings>,
        lane: Lane,
    ) -> Result<Self, VersionError> {
        let component = Component::new(engine.wasmtime(), bytes).map_err(VersionError::Compile)?;
        fit::check(engine.wasmtime(), &component.component_type())?;
        let linked = engine.linker().instantiate_pre(&component).map_err(VersionError::Import)?;
        let pre = WebsocketConsumerPre::new(linked).map_err(VersionError::World)?;
        Ok(Self {
            digest: Hash::of(bytes),
            engine: engine.clone(),
            pre,
            around,
            lane: LaneState::new(lane),
            tally: Tally::default(),
        })
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
        self.lane.is_slow()
    }
}

impl Hash {
    /// The hash of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The first twelve hex digits, for people.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
