//! One build of a plugin, known by the SHA-256 of its bytes: compiled, checked, ready to be
//! instantiated.

use std::sync::Arc;

use thiserror::Error;
use wasmtime::component::InstancePre;

use super::bindings::WebsocketConsumerIndices;
use super::bindings::worker_world::WorkerConsumerIndices;
use super::build::Build;
use super::engine::{self, Engine};
use super::fit::{self, Misfit};
use super::state::{GuestState, Surroundings};
use super::tally::Tally;
use narrowboat_core::capabilities::Capabilities;
use narrowboat_core::component::Role;
use narrowboat_core::fault::{GuestFault, one_line};
use narrowboat_core::hash::Hash;
use narrowboat_quota::{Room, Taken};

/// One build of a plugin.
pub struct Version {
    digest: Hash,
    pub(super) engine: Engine,
    pub(super) pre: InstancePre<GuestState>,
    consumer: Option<WebsocketConsumerIndices>,
    worker: Option<WorkerConsumerIndices>,
    pub(super) around: Arc<Surroundings>,
    pub(super) tally: Tally,
}

/// What the instances of a version have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionUsage {
    /// Running instances.
    pub instances: u64,
    /// Bytes of their linear memories.
    pub memory: u64,
    /// Lines of the log that came too fast, or that it may not write.
    pub unsaid: u64,
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
    /// What it exports is not what its name says.
    #[error("is not of the world {}: {problem:#}", role.world())]
    World {
        /// What it says it can be run as.
        role: Role,
        /// What is wrong.
        problem: wasmtime::Error,
    },
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
        let roles = fit::check(&component, &around.asks)?;
        let _ = around.places.set(engine::places(&component, around.parts));
        let linked = engine.linker(&around.asks);
        let pre = linked.and_then(|linker| linker.instantiate_pre(&component));
        let pre = pre.map_err(VersionError::Import)?;
        let has = |role| roles.contains(&role);
        let world = |role| move |problem| VersionError::World { role, problem };
        let consumer = has(Role::Consumer).then(|| WebsocketConsumerIndices::new(&pre));
        let worker = has(Role::Worker).then(|| WorkerConsumerIndices::new(&pre));
        Ok(Self {
            digest: build.digest(),
            engine: engine.clone(),
            consumer: consumer.transpose().map_err(world(Role::Consumer))?,
            worker: worker.transpose().map_err(world(Role::Worker))?,
            pre,
            around,
            tally: Tally::default(),
        })
    }

    /// What its manifest calls it, or its plugin's label where there is no manifest.
    pub fn own_name(&self) -> &str {
        &self.around.own_name
    }

    /// Takes the places of one more instance: as many as it takes of the pool.
    ///
    /// # Errors
    /// [`GuestFault::Bounded`].
    pub fn take_places(&self) -> Result<Taken, GuestFault> {
        let taken = self.around.allowance.take(Room::Instances, self.around.places());
        taken.map_err(|bound| GuestFault::Bounded(bound.name()))
    }

    /// Counts one more instance, whether or not there may be more.
    pub(super) fn count_places(&self) -> Taken {
        self.around.allowance.take_anyway(Room::Instances, self.around.places())
    }

    /// Where a consumer's functions are among its exports.
    pub(super) fn consumer(&self) -> wasmtime::Result<&WebsocketConsumerIndices> {
        self.consumer.as_ref().ok_or_else(|| lacks(Role::Consumer))
    }

    /// Where a worker's functions are among its exports.
    pub(super) fn worker(&self) -> wasmtime::Result<&WorkerConsumerIndices> {
        self.worker.as_ref().ok_or_else(|| lacks(Role::Worker))
    }

    /// What it is started as by whoever only wants to know whether it starts.
    pub(super) fn first_role(&self) -> Role {
        if self.consumer.is_some() { Role::Consumer } else { Role::Worker }
    }

    /// The hash that names it.
    pub fn digest(&self) -> Hash {
        self.digest
    }

    /// What it cannot do without its operator's leave, and has it.
    pub fn asks(&self) -> &Capabilities {
        &self.around.asks
    }

    /// How it has fared.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Counts a message of a type that the guest does not know, and logs it: the first as a warning.
    pub(super) fn note_unknown(&self, kind: &str) {
        let (plugin, version) = (&*self.around.plugin, &*self.around.version);
        let kind = one_line(kind);
        if self.tally.unknown_message() {
            tracing::warn!(
                plugin,
                version,
                "ignored a message of the unknown type {kind:?}; further ones of this version are told at debug"
            );
        } else {
            tracing::debug!(plugin, version, "ignored a message of the unknown type {kind:?}");
        }
    }

    /// What its instances have together, and have left unsaid.
    pub fn usage(&self) -> VersionUsage {
        let Surroundings { usage, words, .. } = &*self.around;
        let (instances, memory) = (usage.instances(), usage.memory());
        VersionUsage { instances, memory, unsaid: words.unsaid() }
    }

    /// Whether its calls belong on guest threads now, since they are long, or have to wait since they were many.
    pub fn is_slow(&self) -> bool {
        self.around.lane.is_slow() || self.around.allowance.is_spent()
    }
}

/// Loading has checked that a version has what its plugin is used for.
fn lacks(role: Role) -> wasmtime::Error {
    wasmtime::Error::msg(format!("it exports no {}", role.interface()))
}
