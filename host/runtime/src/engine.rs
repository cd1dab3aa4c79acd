//! The WebAssembly engine. A host has one, with a pool of instances whose size is fixed at start.

mod engine_config;
mod engine_error;
mod host_linker;
mod pool_slots;
#[cfg(test)]
mod proposals;

use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::watch;
use wasmtime::component::{Component, Linker};
use wasmtime::{ResourceLimiter, Store};

use crate::build::Build;
use crate::code_cache::{CodeCache, CodeKind};
use crate::compilation::{
    CompileError, CompileOwner, CompileQueue, CompileSettings, ComponentCompiler, LoadCancellation,
    MachineCode,
};
use crate::scheduling::{IoDriverWaker, Ticker, TickerGuard, lower_thread_priority};
use crate::store::{GuestState, VersionContext};
pub use engine_config::THREAD_STACK_BYTES;
pub use engine_error::EngineError;
use narrowboat_core::component::Role;
use narrowboat_core::manifest::Language;
use narrowboat_core::sha256_digest::Sha256Digest;
use narrowboat_quota::Reservation;
pub(crate) use pool_slots::pool_slots;

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

    /// Loads the code of a component from the cache, or compiles it and stores the code in the cache.
    ///
    /// # Errors
    /// If the component does not compile within the limits of the plugin.
    pub(crate) fn load_component(
        &self,
        ctx: &VersionContext,
        build: &Build,
        cancellation: &LoadCancellation,
    ) -> Result<Component, CompileError> {
        let Inner { engine, compiler, compile_settings, .. } = &*self.0;
        let owner = CompileOwner::Tenant(ctx.tenant.clone());
        self.load_or_compile(&ctx.plugin, CodeKind::Component, build.digest(), || {
            let turn = self.0.compile_queue.wait_for_turn(&owner, cancellation);
            let _turn = turn.ok_or(CompileError::Cancelled)?;
            let bytes = build.bytes();
            compiler.compile(engine, *compile_settings, bytes, &ctx.quota, cancellation)
        })
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
        let engine = &self.0.engine;
        self.load_or_compile(language.key(), CodeKind::Runtime, digest, || {
            let never = LoadCancellation::default();
            let _turn = self.0.compile_queue.wait_for_turn(&CompileOwner::Host, &never);
            Ok(MachineCode::from_compiler(engine.precompile_component(&decompress()?)?))
        })
    }

    fn load_or_compile<E: From<wasmtime::Error>>(
        &self,
        name: &str,
        kind: CodeKind,
        digest: Sha256Digest,
        compile: impl FnOnce() -> Result<MachineCode<'static>, E>,
    ) -> Result<Component, E> {
        let Inner { engine, cache, .. } = &*self.0;
        let started = Instant::now();
        let milliseconds = || started.elapsed().as_millis();
        let cached = cache.as_ref().and_then(|cache| cache.load_code(engine, kind, digest));
        if let Some(component) = cached {
            tracing::debug!(
                plugin = name,
                milliseconds = milliseconds(),
                "component loaded from cache"
            );
            return Ok(component);
        }
        let code = compile()?;
        let component = code.load(engine)?;
        tracing::debug!(plugin = name, milliseconds = milliseconds(), "component compiled");
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
