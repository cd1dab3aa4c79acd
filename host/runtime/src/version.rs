//! One build of a plugin, known by the SHA-256 of its bytes: compiled, checked, ready to be
//! instantiated.

use std::sync::Arc;

use thiserror::Error;
use wasmtime::component::InstancePre;

use crate::bindings::WebsocketConsumerIndices;
use crate::bindings::worker_world::WorkerConsumerIndices;
use crate::build::Build;
use crate::compat::{self, Incompatibility};
use crate::engine::{self, Engine};
use crate::stats::VersionStats;
use crate::store::{GuestState, VersionContext};
use narrowboat_core::capabilities::Capabilities;
use narrowboat_core::component::Role;
use narrowboat_core::fault::{GuestFault, sanitize_log_line};
use narrowboat_core::sha256_digest::Sha256Digest;
use narrowboat_quota::{QuotaResource, Reservation};

/// One build of a plugin.
pub struct Version {
    digest: Sha256Digest,
    pub(crate) engine: Engine,
    pub(crate) pre: InstancePre<GuestState>,
    consumer_indices: Option<WebsocketConsumerIndices>,
    worker_indices: Option<WorkerConsumerIndices>,
    pub(crate) ctx: Arc<VersionContext>,
    pub(crate) stats: VersionStats,
}

/// What the instances of a version have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionUsage {
    /// Running instances.
    pub instance_count: u64,
    /// Bytes of their linear memories.
    pub memory_bytes: u64,
    /// Lines of the log that came too fast, or that it may not write.
    pub dropped_log_lines: u64,
}

/// Why bytes are no version of a plugin.
#[derive(Debug, Error)]
pub enum VersionError {
    /// Cranelift refused the code.
    #[error("does not compile: {0:#}")]
    Compile(wasmtime::Error),
    /// It was made for another host.
    #[error(transparent)]
    Incompatible(#[from] Incompatibility),
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
    pub(crate) fn compile(
        engine: &Engine,
        build: &Build,
        around: Arc<VersionContext>,
    ) -> Result<Self, VersionError> {
        let component =
            engine.load_component(&around.plugin, build).map_err(VersionError::Compile)?;
        let roles = compat::check(&component, &around.capabilities)?;
        let _ = around.pool_slots.set(engine::pool_slots(&component, around.core_instance_count));
        let linked = engine.new_linker(&around.capabilities);
        let pre = linked.and_then(|linker| linker.instantiate_pre(&component));
        let pre = pre.map_err(VersionError::Import)?;
        let has = |role| roles.contains(&role);
        let world = |role| move |problem| VersionError::World { role, problem };
        let consumer = has(Role::Consumer).then(|| WebsocketConsumerIndices::new(&pre));
        let worker = has(Role::Worker).then(|| WorkerConsumerIndices::new(&pre));
        Ok(Self {
            digest: build.digest(),
            engine: engine.clone(),
            consumer_indices: consumer.transpose().map_err(world(Role::Consumer))?,
            worker_indices: worker.transpose().map_err(world(Role::Worker))?,
            pre,
            ctx: around,
            stats: VersionStats::default(),
        })
    }

    /// What its manifest calls it, or its plugin's label where there is no manifest.
    pub fn manifest_name(&self) -> &str {
        &self.ctx.manifest_name
    }

    /// Takes the places of one more instance: as many as it takes of the pool.
    ///
    /// # Errors
    /// [`GuestFault::Bounded`].
    pub fn reserve_pool_slots(&self) -> Result<Reservation, GuestFault> {
        let taken = self.ctx.quota.try_reserve(QuotaResource::Instances, self.ctx.pool_slots());
        taken.map_err(|bound| GuestFault::QuotaExceeded(bound.name()))
    }

    /// Counts one more instance, whether or not there may be more.
    pub(crate) fn force_reserve_pool_slots(&self) -> Reservation {
        self.ctx.quota.reserve_unchecked(QuotaResource::Instances, self.ctx.pool_slots())
    }

    /// Where a consumer's functions are among its exports.
    pub(crate) fn consumer_indices(&self) -> wasmtime::Result<&WebsocketConsumerIndices> {
        self.consumer_indices.as_ref().ok_or_else(|| missing_role_error(Role::Consumer))
    }

    /// Where a worker's functions are among its exports.
    pub(crate) fn worker_indices(&self) -> wasmtime::Result<&WorkerConsumerIndices> {
        self.worker_indices.as_ref().ok_or_else(|| missing_role_error(Role::Worker))
    }

    /// What it is started as by whoever only wants to know whether it starts.
    pub(crate) fn default_role(&self) -> Role {
        if self.consumer_indices.is_some() { Role::Consumer } else { Role::Worker }
    }

    /// The hash that names it.
    pub fn digest(&self) -> Sha256Digest {
        self.digest
    }

    /// What it cannot do without its operator's leave, and has it.
    pub fn capabilities(&self) -> &Capabilities {
        &self.ctx.capabilities
    }

    /// How it has fared.
    pub fn stats(&self) -> &VersionStats {
        &self.stats
    }

    /// Counts a message of a type that the guest does not know, and logs it: the first as a warning.
    pub(crate) fn record_unknown_message(&self, kind: &str) {
        let (plugin, version) = (&*self.ctx.plugin, &*self.ctx.version);
        let kind = sanitize_log_line(kind);
        if self.stats.record_unknown_message() {
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
        let VersionContext { usage, log_limiter: words, .. } = &*self.ctx;
        let (instances, memory) = (usage.instances(), usage.memory());
        VersionUsage {
            instance_count: instances,
            memory_bytes: memory,
            dropped_log_lines: words.dropped_lines(),
        }
    }

    /// Whether its calls belong on guest threads now, since they are long, or have to wait since they were many.
    pub fn needs_guest_thread(&self) -> bool {
        self.ctx.execution_mode.is_slow() || self.ctx.quota.is_cpu_exhausted()
    }
}

/// Loading has checked that a version has what its plugin is used for.
fn missing_role_error(role: Role) -> wasmtime::Error {
    wasmtime::Error::msg(format!("it exports no {}", role.interface()))
}
