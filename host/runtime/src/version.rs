//! One build of a plugin, named by the SHA-256 of its bytes: compiled, checked and ready to be instantiated.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use wasmtime::Store;
use wasmtime::component::Instance as Exports;

use crate::bindings::WebsocketConsumerIndices;
use crate::bindings::alarm_world::exports::narrowboat::consumer::alarms::GuestIndices as AlarmIndices;
use crate::bindings::batching_world::exports::narrowboat::consumer::batches::GuestIndices as BatchIndices;
use crate::bindings::worker_world::WorkerConsumerIndices;
use crate::build::Build;
use crate::compilation::LoadCancellation;
use crate::engine::{CompiledComponent, Engine, VersionError};
use crate::language_runtime::{CompiledRuntime, Program};
use crate::stats::VersionStats;
use crate::store::{GuestState, VersionContext};
use narrowboat_core::capabilities::Capabilities;
use narrowboat_core::component::Role;
use narrowboat_core::fault::{GuestFault, sanitize_log_line};
use narrowboat_core::manifest::{RoomSettings, TrapPolicy};
use narrowboat_core::sha256_digest::Sha256Digest;
use narrowboat_quota::{QuotaResource, Reservation};
use narrowboat_schedule::WallClock;

/// One compiled build of a plugin.
pub struct Version {
    digest: Sha256Digest,
    pub(crate) engine: Engine,
    /// Shared with all versions of the same bytes; for a source plugin, with all that its runtime runs.
    component: Arc<CompiledComponent>,
    /// The program of a source plugin. Set once the source is compiled.
    program: OnceLock<(Arc<CompiledRuntime>, Arc<Program>)>,
    pub(crate) ctx: Arc<VersionContext>,
    pub(crate) stats: VersionStats,
}

/// The usage of the instances of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionUsage {
    /// Running instances.
    pub instance_count: u64,
    /// Bytes of their linear memories.
    pub memory_bytes: u64,
    /// Log lines that were dropped, because they came too fast or the plugin may not log.
    pub dropped_log_lines: u64,
}

impl Version {
    /// Loads a component and checks it against the world. Compiles it unless another version has the same bytes or the
    /// cache has its code. Blocks, so do not call it from async code.
    ///
    /// # Errors
    /// The problem with the component.
    pub(crate) fn compile(
        engine: &Engine,
        build: &Build,
        ctx: Arc<VersionContext>,
        cancellation: &LoadCancellation,
    ) -> Result<Self, VersionError> {
        let component = engine.load_component(&ctx, build, cancellation)?;
        Ok(Self::new(engine, build, component, ctx))
    }

    /// Creates a version of a source plugin, which has no program yet.
    pub(crate) fn for_source(
        engine: &Engine,
        build: &Build,
        runtime: &CompiledRuntime,
        ctx: Arc<VersionContext>,
    ) -> Self {
        Self::new(engine, build, Arc::clone(&runtime.component), ctx)
    }

    fn new(
        engine: &Engine,
        build: &Build,
        component: Arc<CompiledComponent>,
        ctx: Arc<VersionContext>,
    ) -> Self {
        let _ = ctx.pool_slots.set(component.pool_slots);
        let _ = ctx.handles_alarms.set(component.alarm_indices.is_some());
        Self {
            digest: build.digest(),
            engine: engine.clone(),
            component,
            program: OnceLock::new(),
            ctx,
            stats: VersionStats::default(),
        }
    }

    /// Sets the program of a source plugin.
    pub(crate) fn set_program(&self, runtime: Arc<CompiledRuntime>, program: Arc<Program>) {
        let _ = self.program.set((runtime, program));
    }

    /// Creates an instance, and loads the program of a source plugin into it.
    pub(crate) fn instantiate(&self, store: &mut Store<GuestState>) -> wasmtime::Result<Exports> {
        let exports = self.component.pre.instantiate(&mut *store)?;
        if let Some((runtime, program)) = self.program.get() {
            program.load(&runtime.loader_indices, store, &exports)?;
        }
        Ok(exports)
    }

    /// Whether the plugin is source, which each instance loads at its start.
    pub fn is_source(&self) -> bool {
        self.program().is_some()
    }

    /// The program of a source plugin.
    pub(crate) fn program(&self) -> Option<&Program> {
        self.program.get().map(|(_, program)| &**program)
    }

    /// The SHA-256 of the runtime of a source plugin.
    pub fn runtime_digest(&self) -> Option<Sha256Digest> {
        self.program.get().map(|(runtime, _)| runtime.image.digest)
    }

    /// The name in the manifest, or the label of the plugin if the component has no manifest.
    pub fn manifest_name(&self) -> &str {
        &self.ctx.manifest_name
    }

    /// The description in the manifest; empty if it has none.
    pub fn description(&self) -> &str {
        &self.ctx.description
    }

    /// Whether consumers want to be told that the configuration of the plugin has changed.
    pub fn wants_config_changes(&self) -> bool {
        self.ctx.config_changed
    }

    /// The settings of its rooms, if its consumers are in rooms.
    pub fn rooms(&self) -> Option<&Arc<RoomSettings>> {
        self.ctx.rooms.as_ref()
    }

    /// Whether an instance that traps or times out is restarted with the state of its last checkpoint.
    pub fn restarts_after_trap(&self) -> bool {
        matches!(self.ctx.on_trap, TrapPolicy::Restart(_))
    }

    /// The time without events after which a connection gives its instance back; `None` if it keeps it.
    pub fn hibernate_after(&self) -> Option<Duration> {
        self.ctx.hibernate_after
    }

    /// The wall clock of the host.
    pub fn clock(&self) -> &WallClock {
        &self.ctx.services.clock
    }

    /// Reserves the pool slots of one more instance.
    ///
    /// # Errors
    /// [`GuestFault::QuotaExceeded`].
    pub fn reserve_pool_slots(&self) -> Result<Reservation, GuestFault> {
        let reserved = self.ctx.quota.try_reserve(QuotaResource::Instances, self.ctx.pool_slots());
        reserved.map_err(|limit| GuestFault::QuotaExceeded(limit.name()))
    }

    /// Whether the quota has room for `count` more instances now.
    pub fn has_room_for_instances(&self, count: usize) -> bool {
        let pool_slots = count * self.ctx.pool_slots();
        self.ctx.quota.find_full_owner(QuotaResource::Instances, pool_slots).is_none()
    }

    /// Reserves the pool slots of one more instance, even beyond the quota.
    pub fn force_reserve_pool_slots(&self) -> Reservation {
        self.ctx.quota.reserve_unchecked(QuotaResource::Instances, self.ctx.pool_slots())
    }

    /// The exports of a consumer.
    ///
    /// # Errors
    /// If the version does not export a consumer.
    pub(crate) fn consumer_indices(&self) -> wasmtime::Result<&WebsocketConsumerIndices> {
        self.component.consumer_indices.as_ref().ok_or_else(|| missing_role_error(Role::Consumer))
    }

    /// The export of a consumer for several events in one call, if it has it.
    pub(crate) fn batch_indices(&self) -> Option<&BatchIndices> {
        self.component.batch_indices.as_ref()
    }

    /// The export of a consumer for the alarms of its rooms, if it has it.
    pub(crate) fn alarm_indices(&self) -> Option<&AlarmIndices> {
        self.component.alarm_indices.as_ref()
    }

    /// The exports of a worker.
    ///
    /// # Errors
    /// If the version does not export a worker.
    pub(crate) fn worker_indices(&self) -> wasmtime::Result<&WorkerConsumerIndices> {
        self.component.worker_indices.as_ref().ok_or_else(|| missing_role_error(Role::Worker))
    }

    /// The roles of the plugin.
    pub(crate) fn roles(&self) -> Vec<Role> {
        let has_role = |role: &Role| match (self.program(), role) {
            (Some(program), role) => program.has_role(*role),
            (None, Role::Consumer) => self.component.consumer_indices.is_some(),
            (None, Role::Worker) => self.component.worker_indices.is_some(),
        };
        Role::ALL.into_iter().filter(has_role).collect()
    }

    /// The role in which [`Version::try_start`] starts an instance.
    pub(crate) fn default_role(&self) -> Role {
        self.roles().first().copied().unwrap_or(Role::Consumer)
    }

    /// The SHA-256 of the component or the source bundle, which names the version.
    pub fn digest(&self) -> Sha256Digest {
        self.digest
    }

    /// The capabilities that the manifest requests. All of them are granted.
    pub fn capabilities(&self) -> &Capabilities {
        &self.ctx.capabilities
    }

    /// Counts of events, faults and clients.
    pub fn stats(&self) -> &VersionStats {
        &self.stats
    }

    /// Counts a message of a type that the guest does not know, and logs it: the first as a warning.
    pub(crate) fn record_unknown_message(&self, message_type: &str) {
        let (plugin, version) = (&*self.ctx.plugin, &*self.ctx.version);
        let message_type = sanitize_log_line(message_type);
        if self.stats.record_unknown_message() {
            tracing::warn!(
                plugin,
                version,
                message_type = &*message_type,
                "ignored a message of an unknown type; further ones of this version are logged at debug"
            );
        } else {
            tracing::debug!(
                plugin,
                version,
                message_type = &*message_type,
                "ignored a message of an unknown type"
            );
        }
    }

    /// The usage of all instances together, and the log lines that were dropped.
    pub fn usage(&self) -> VersionUsage {
        let VersionContext { usage, log_limiter, .. } = &*self.ctx;
        VersionUsage {
            instance_count: usage.instances(),
            memory_bytes: usage.memory(),
            dropped_log_lines: log_limiter.dropped_lines(),
        }
    }

    /// Whether a task of another connection may call an instance: calls are short, and none has ever waited.
    pub fn may_be_called_by_others(&self) -> bool {
        !self.needs_guest_thread() && !self.ctx.execution_mode.has_waited()
    }

    /// Whether instances are started on guest threads now: because calls are there, or because loading source takes too long
    /// for a thread of the sockets.
    pub fn starts_on_guest_thread(&self) -> bool {
        self.needs_guest_thread() || self.is_source()
    }

    /// Whether calls run on guest threads now: because they are long, or because the CPU quota is used up, so that they
    /// have to wait.
    pub fn needs_guest_thread(&self) -> bool {
        self.ctx.execution_mode.is_slow() || self.ctx.quota.is_cpu_exhausted()
    }
}

/// The error of a role that is not exported. Not expected: loading checks the roles for which a plugin is used.
fn missing_role_error(role: Role) -> wasmtime::Error {
    wasmtime::Error::msg(format!("the component does not export {}", role.interface()))
}
