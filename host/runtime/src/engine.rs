//! The WebAssembly engine. A host has one, with a pool of instances whose size is fixed at start.

mod compiled_component;
mod engine_config;
mod engine_error;
mod host_linker;
mod pool_slots;
#[cfg(test)]
mod proposals;
mod version_error;

use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::watch;
use wasmtime::component::{Component, Linker};
use wasmtime::{ResourceLimiter, Store};

use crate::build::Build;
use crate::code_cache::{CodeCache, CodeKind};
use crate::compat;
use crate::compilation::{
    CompileError, CompileOwner, CompileQueue, CompileSettings, ComponentCompiler, LoadCancellation,
    MachineCode,
};
use crate::scheduling::{IoDriverWaker, Ticker, TickerGuard, lower_thread_priority};
use crate::shared_by_digest::SharedByDigest;
use crate::store::{GuestState, VersionContext};
pub(crate) use compiled_component::CompiledComponent;
pub use engine_config::THREAD_STACK_BYTES;
pub use engine_error::EngineError;
use narrowboat_core::component::Role;
use narrowboat_core::manifest::Language;
use narrowboat_core::sha256_digest::Sha256Digest;
use narrowboat_quota::Reservation;
pub use version_error::VersionError;

/// Instances in the pool in addition to one for each connection: for shared instances, for trials, and for old
/// instances that end while new ones start.
const SPARE_INSTANCES: u32 = 256;

/// The deadline of a call, in ticks, until the first check: the current tick may end at any time, the next is a whole
/// one.
const EPOCH_DEADLINE_TICKS: u64 = 2;

/// Compiles components and creates stores for them. Clones share one engine.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    engine: wasmtime::Engine,
    /// The imports of all guests.
    linker: Linker<GuestState>,
    /// The components that versions hold.
    components: SharedByDigest<CompiledComponent>,
    cache: Option<CodeCache>,
    compile_settings: CompileSettings,
    compiler: ComponentCompiler,
    compile_queue: CompileQueue,
    ticker: Ticker,
    io_driver_waker: Arc<IoDriverWaker>,
    /// True once the host stops and imports must not wait any longer.
    stopping: watch::Sender<bool>,
}

/// Usage of the instance pool. All zero if there is no pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolUsage {
    /// Core instances. A component has about three.
    pub instances: u64,
    /// Linear memories.
    pub memory_count: u64,
}

impl Engine {
    /// Creates an engine for `instances` with at most `memory` bytes each, which keeps
    /// compiled code in `cache`. If the address space is too small for a pool of them, each instance maps its memory when it starts.
    ///
    /// # Errors
    /// If the system refuses the memory or a thread.
    pub fn new(
        instances: usize,
        memory: usize,
        cache: Option<CodeCache>,
        compiler: ComponentCompiler,
    ) -> Result<Self, EngineError> {
        let instances = u32::try_from(instances).unwrap_or(u32::MAX);
        let instances = instances.saturating_add(SPARE_INSTANCES);
        let to_error = |source| EngineError::Pool { instances, memory, source };
        let (engine, compile_settings) =
            new_wasmtime_engine(instances, memory).map_err(to_error)?;
        let linker = host_linker::host_linker(&engine).map_err(to_error)?;
        let io_driver_waker = Arc::new(IoDriverWaker::default());
        let ticker = start_ticker(&engine, &io_driver_waker)?;
        // A process has one pool of compiler threads. They leave the cores to the threads of the sockets. If the pool
        // exists already, its threads keep their priority.
        let _ = rayon::ThreadPoolBuilder::new()
            .start_handler(|_| lower_thread_priority())
            .build_global();
        Ok(Self(Arc::new(Inner {
            engine,
            linker,
            components: SharedByDigest::default(),
            cache,
            compile_settings,
            compiler,
            compile_queue: CompileQueue::default(),
            ticker,
            io_driver_waker,
            stopping: watch::Sender::new(false),
        })))
    }

    /// Usage of the instance pool.
    pub fn pool_usage(&self) -> PoolUsage {
        let metrics = self.0.engine.pooling_allocator_metrics();
        metrics.map_or_else(PoolUsage::default, |metrics| PoolUsage {
            instances: metrics.core_instances(),
            memory_count: metrics.memories() as u64,
        })
    }

    /// Sets the runtime whose sockets must stay served while a call runs for long on one of its threads.
    pub fn attach_runtime(&self, runtime: Handle) {
        self.0.io_driver_waker.attach_runtime(runtime);
    }

    /// Ends all waits of imports, and refuses further waits. Call it before the runtime stops, which could not end
    /// them.
    pub fn cancel_waits(&self) {
        self.0.stopping.send_replace(true);
    }

    /// Receives `true` when imports must stop waiting.
    pub(crate) fn subscribe_stopping(&self) -> watch::Receiver<bool> {
        self.0.stopping.subscribe()
    }

    /// The number of components of plugins in memory. Versions with the same bytes share one.
    pub fn component_count(&self) -> usize {
        self.0.components.count()
    }

    /// Returns the component of a build: the one that versions with the same bytes hold, or one from the cache, or a newly
    /// compiled one, which the cache gets. The caller has checked that the plugin may use the build. Blocks.
    ///
    /// # Errors
    /// If the component does not compile within the limits of the plugin, or is not one of a plugin for this host.
    pub(crate) fn load_component(
        &self,
        ctx: &VersionContext,
        build: &Build,
        cancellation: &LoadCancellation,
    ) -> Result<Arc<CompiledComponent>, VersionError> {
        if let Some(found) = self.find_component(ctx, build)? {
            return Ok(found);
        }
        let owner = CompileOwner::Tenant(ctx.tenant.clone());
        let turn = self.0.compile_queue.wait_for_turn(&owner, cancellation);
        // Held until the component is shared, so that another load of the same bytes finds it in its own turn. That load
        // compiles itself if this one ends without a component, since the reason may be a limit or the end of its tenant.
        let _turn = turn.ok_or(CompileError::Cancelled)?;
        if let Some(found) = self.find_component(ctx, build)? {
            return Ok(found);
        }
        let Inner { engine, compiler, compile_settings, .. } = &*self.0;
        let compile =
            || compiler.compile(engine, *compile_settings, build.bytes(), &ctx.quota, cancellation);
        let compiled =
            self.compile::<CompileError>(&ctx.plugin, CodeKind::Component, build.digest(), compile);
        self.share_component(ctx, build, &compiled?)
    }

    /// Returns the component of a build, if versions hold it or the cache has it.
    fn find_component(
        &self,
        ctx: &VersionContext,
        build: &Build,
    ) -> Result<Option<Arc<CompiledComponent>>, VersionError> {
        if let Some(shared) = self.0.components.find(build.digest()) {
            tracing::debug!(plugin = &*ctx.plugin, "component shared with another version");
            return Ok(Some(shared));
        }
        let cached = self.load_cached(&ctx.plugin, CodeKind::Component, build.digest());
        cached.map(|component| self.share_component(ctx, build, &component)).transpose()
    }

    /// Checks and links a component, and shares it with other versions.
    fn share_component(
        &self,
        ctx: &VersionContext,
        build: &Build,
        component: &Component,
    ) -> Result<Arc<CompiledComponent>, VersionError> {
        let roles = compat::check(component)?;
        let core_instances = ctx.core_instance_count;
        let linked = CompiledComponent::link(component, self.linker(), &roles, core_instances)?;
        Ok(self.0.components.share(build.digest(), linked))
    }

    /// Loads the code of a runtime from the cache, or compiles it and stores the code in the cache. `decompress` returns
    /// its component.
    ///
    /// # Errors
    /// If the component cannot be decompressed, or does not compile.
    pub(crate) fn load_runtime(
        &self,
        language: Language,
        digest: Sha256Digest,
        decompress: impl FnOnce() -> wasmtime::Result<Vec<u8>>,
    ) -> wasmtime::Result<Component> {
        let (name, kind) = (language.key(), CodeKind::Runtime);
        if let Some(component) = self.load_cached(name, kind, digest) {
            return Ok(component);
        }
        let never = LoadCancellation::default();
        let _turn = self.0.compile_queue.wait_for_turn(&CompileOwner::Host, &never);
        self.compile(name, kind, digest, || {
            let code = self.0.engine.precompile_component(&decompress()?)?;
            Ok(MachineCode::from_compiler(code))
        })
    }

    /// Loads the code of a component, if the cache has it.
    fn load_cached(&self, name: &str, kind: CodeKind, digest: Sha256Digest) -> Option<Component> {
        let started = Instant::now();
        let component = self.0.cache.as_ref()?.load_code(&self.0.engine, kind, digest)?;
        let milliseconds = started.elapsed().as_millis();
        tracing::debug!(plugin = name, milliseconds, "component loaded from cache");
        Some(component)
    }

    /// Compiles a component, loads its code and stores the code in the cache. Needs a turn of the compiler.
    fn compile<E: From<wasmtime::Error>>(
        &self,
        name: &str,
        kind: CodeKind,
        digest: Sha256Digest,
        compile: impl FnOnce() -> Result<MachineCode<'static>, E>,
    ) -> Result<Component, E> {
        let Inner { engine, cache, .. } = &*self.0;
        let started = Instant::now();
        let code = compile()?;
        let component = code.load(engine)?;
        let milliseconds = started.elapsed().as_millis();
        tracing::debug!(plugin = name, milliseconds, "component compiled");
        if let Some(cache) = cache {
            cache.store_code(engine, kind, digest, &code);
        }
        Ok(component)
    }

    /// The cache of compiled code.
    pub(crate) fn code_cache(&self) -> Option<&CodeCache> {
        self.0.cache.as_ref()
    }

    /// The imports of guests.
    pub(crate) fn linker(&self) -> &Linker<GuestState> {
        &self.0.linker
    }

    /// Creates a store that limits the memory of its guest and the time of each call.
    pub(crate) fn new_store(
        &self,
        ctx: Arc<VersionContext>,
        role: Role,
        pool_slots: Reservation,
    ) -> Store<GuestState> {
        let hostcall_bytes = ctx.limits.hostcall_bytes();
        let state = GuestState::new(ctx, role, pool_slots, Arc::clone(&self.0.io_driver_waker));
        let mut store = Store::new(&self.0.engine, state);
        store.limiter(|state| &mut state.limiter as &mut dyn ResourceLimiter);
        store.set_hostcall_fuel(hostcall_bytes);
        store.epoch_deadline_callback(|mut store| store.data_mut().on_tick());
        store
    }

    /// Starts the time of a call. The call ends when the guard is dropped.
    pub(crate) fn begin_call(
        &self,
        store: &mut Store<GuestState>,
        now: Instant,
    ) -> TickerGuard<'_> {
        store.data_mut().begin_call(now);
        store.set_epoch_deadline(EPOCH_DEADLINE_TICKS);
        self.0.ticker.begin_call()
    }
}

/// Creates the wasmtime engine with the widest pool that the address space allows, or without one. Returns it with the
/// settings of its code.
fn new_wasmtime_engine(
    instances: u32,
    memory: usize,
) -> wasmtime::Result<(wasmtime::Engine, CompileSettings)> {
    let pooled = |settings| {
        let config = engine_config::pooling_config(settings, instances, memory);
        wasmtime::Engine::new(&config).map(|engine| (engine, settings))
    };
    let wide = pooled(CompileSettings::for_wide_pool());
    wide.or_else(|_| pooled(CompileSettings::for_pool(memory))).or_else(|error| {
        tracing::warn!(
            instances,
            memory,
            error = format_args!("{error:#}"),
            "no address space for a pool of instances, so instances start more slowly; lower limits.memory or \
             limits.max_connections, or raise `ulimit -v`"
        );
        let engine = wasmtime::Engine::new(&engine_config::on_demand_config())?;
        Ok((engine, CompileSettings::on_demand()))
    })
}

/// Starts the thread that interrupts long calls.
fn start_ticker(
    engine: &wasmtime::Engine,
    io_driver_waker: &Arc<IoDriverWaker>,
) -> std::io::Result<Ticker> {
    let engine = engine.weak();
    let io_driver_waker = Arc::clone(io_driver_waker);
    Ticker::start(move || {
        io_driver_waker.wake_worker_if_flagged();
        if let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
        }
    })
}
