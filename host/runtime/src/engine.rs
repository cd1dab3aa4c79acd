//! The WebAssembly engine: one a host, with a pool of instances sized at start.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::watch;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{
    Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, ResourceLimiter, Store,
};

use crate::bindings::WebsocketConsumer;
use crate::bindings::grantable_world::wasi::clocks::{monotonic_clock, wall_clock};
use crate::bindings::grantable_world::wasi::keyvalue::{atomics, store};
use crate::bindings::grantable_world::wasi::random::{insecure, insecure_seed, random};
use crate::build::Build;
use crate::code_cache::CodeCache;
use crate::host_api::http;
use crate::scheduling;
use crate::scheduling::IoDriverWaker;
use crate::scheduling::{Ticker, TickerGuard};
use crate::store::{GuestState, VersionContext};
use crate::store::{MAX_CORE_ITEMS, MAX_TABLE_ELEMENTS};
use narrowboat_core::capabilities::{Capabilities, CapabilityFlag};
use narrowboat_core::component::Role;
use narrowboat_quota::Reservation;

/// Instances in the pool beyond one a connection: shared ones, trials, and old ones going as new
/// ones come.
const SPARE_INSTANCES: u32 = 256;

/// Core instances that one component of a guest language counts for; three were measured.
const CORE_INSTANCES_PER_COMPONENT: u32 = 4;

/// Address space between two memories, in bytes. Accesses are checked against the memory's bound,
/// so that this need not be the 4 GiB a 32-bit index can reach.
const MEMORY_GUARD_BYTES: u64 = 64 * 1024;

/// Bytes that a memory may grow by before it moves, where there is no pool.
const MEMORY_GROWTH_BYTES: u64 = 1024 * 1024;

/// Bytes of a memory that stay with its place in the pool when its guest is gone.
const MEMORY_KEEP_RESIDENT_BYTES: usize = 64 * 1024;

/// The same of a table.
const TABLE_KEEP_RESIDENT_BYTES: usize = 4 * 1024;

/// A call's deadline in ticks: the running tick ends anytime, the next is a whole one.
const EPOCH_DEADLINE_TICKS: u64 = 2;

/// Imports find what they need in the store's data itself.
type HasGuestState = HasSelf<GuestState>;

/// Compiles components and runs them.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    engine: wasmtime::Engine,
    /// With what every guest may import.
    linker: Linker<GuestState>,
    cache: Option<CodeCache>,
    /// Held while a component is compiled, which takes all cores and much memory.
    compile_lock: Mutex<()>,
    ticker: Ticker,
    io_driver_waker: Arc<IoDriverWaker>,
    /// Whether the host has come to its end, so that nobody is to wait any more.
    stopping: watch::Sender<bool>,
}

/// What of the pool of instances is in use; nothing where there is no pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolUsage {
    /// Core instances; a component counts for about three.
    pub instances: u64,
    /// Linear memories.
    pub memory_count: u64,
}

/// Why there is no engine.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The engine cannot be made, with a pool or without.
    #[error(
        "no room for {instances} instances with {memory} bytes each: {source:#}; lower \
         limits.max_connections, limits.memory or the instances of [[workers]]"
    )]
    Pool {
        /// Instances asked for.
        instances: u32,
        /// Bytes of linear memory each may have.
        memory: usize,
        /// What the engine said.
        source: wasmtime::Error,
    },
    /// The system gave no thread for the clock.
    #[error("no thread for the clock that stops guests: {0}")]
    Ticker(#[from] std::io::Error),
}

impl Engine {
    /// An engine for so many `instances` with at most `memory` bytes each, which keeps what it
    /// compiles in `cache`. Where the address space is too small for a pool of them there is none, and each
    /// instance is mapped when it starts.
    ///
    /// # Errors
    /// When the system does not have the room.
    pub fn new(
        instances: usize,
        memory: usize,
        cache: Option<CodeCache>,
    ) -> Result<Self, EngineError> {
        let instances = u32::try_from(instances).unwrap_or(u32::MAX);
        let instances = instances.saturating_add(SPARE_INSTANCES);
        let pool_error = |source| EngineError::Pool { instances, memory, source };
        let pooled = wasmtime::Engine::new(
            base_config()
                .allocation_strategy(pooling_strategy(instances, memory))
                .memory_reservation(memory as u64),
        );
        let engine = pooled.or_else(|error| {
            tracing::warn!(
                "there is no address space for a pool of {instances} instances with {memory} bytes of memory each \
                 ({error:#}), as under `ulimit -v` or on a processor with few address bits: memory is mapped for each \
                 instance as it starts, which takes longer; lower limits.memory or limits.max_connections for a pool"
            );
            wasmtime::Engine::new(&on_demand_config())
        });
        let engine = engine.map_err(pool_error)?;
        let mut linker = Linker::new(&engine);
        WebsocketConsumer::add_to_linker::<_, HasGuestState>(&mut linker, |state| state)
            .map_err(pool_error)?;
        let overrun = Arc::new(IoDriverWaker::default());
        let ticker = Ticker::start({
            let engine = engine.weak();
            let overrun = Arc::clone(&overrun);
            move || {
                overrun.wake_worker_if_flagged();
                if let Some(engine) = engine.upgrade() {
                    engine.increment_epoch();
                }
            }
        })?;
        let halted = watch::Sender::new(false);
        // The compiler's threads, of which there is one set a process, leave the cores to the sockets'. If somebody else has
        // made them already, all goes on as it is.
        let _ = rayon::ThreadPoolBuilder::new()
            .start_handler(|_| scheduling::lower_thread_priority())
            .build_global();
        let compiling = Mutex::default();
        Ok(Self(Arc::new(Inner {
            engine,
            linker,
            cache,
            compile_lock: compiling,
            ticker,
            io_driver_waker: overrun,
            stopping: halted,
        })))
    }

    /// What of the pool is in use.
    pub fn pool_usage(&self) -> PoolUsage {
        let metrics = self.0.engine.pooling_allocator_metrics();
        metrics.map_or_else(PoolUsage::default, |metrics| PoolUsage {
            instances: metrics.core_instances(),
            memory_count: metrics.memories() as u64,
        })
    }

    /// Names the runtime whose sockets have to be heard while a call overruns on one of its threads.
    pub fn attach_runtime(&self, runtime: Handle) {
        self.0.io_driver_waker.attach_runtime(runtime);
    }

    /// Ends all waiting of guests, and any further. For the end of the runtime, which would answer nobody any more.
    pub fn cancel_waits(&self) {
        self.0.stopping.send_replace(true);
    }

    /// Tells whoever waits when to stop.
    pub(crate) fn subscribe_stopping(&self) -> watch::Receiver<bool> {
        self.0.stopping.subscribe()
    }

    /// The code of a component: what the cache has, or else compiled now and kept there.
    ///
    /// # Errors
    /// When it does not compile.
    pub(crate) fn load_component(
        &self,
        plugin: &str,
        build: &Build,
    ) -> wasmtime::Result<Component> {
        let Inner { engine, cache, .. } = &*self.0;
        let started = Instant::now();
        let milliseconds = || started.elapsed().as_millis();
        if let Some(component) = cache.as_ref().and_then(|cache| cache.load(engine, build.digest()))
        {
            tracing::debug!(plugin, milliseconds = milliseconds(), "taken from the cache");
            return Ok(component);
        }
        let compiling = self.0.compile_lock.lock().unwrap_or_else(PoisonError::into_inner);
        let component = Component::new(engine, build.bytes())?;
        drop(compiling);
        tracing::debug!(plugin, milliseconds = milliseconds(), "compiled");
        if let Some(cache) = cache {
            cache.store(engine, build.digest(), &component);
        }
        Ok(component)
    }

    /// What a guest may import that has these capabilities.
    ///
    /// # Errors
    /// When there are two of one name, which would be our mistake.
    pub(crate) fn new_linker(
        &self,
        capabilities: &Capabilities,
    ) -> wasmtime::Result<Linker<GuestState>> {
        let mut linker = self.0.linker.clone();
        if capabilities.has_flag(CapabilityFlag::Clocks) {
            monotonic_clock::add_to_linker::<_, HasGuestState>(&mut linker, |state| state)?;
            wall_clock::add_to_linker::<_, HasGuestState>(&mut linker, |state| state)?;
        }
        if capabilities.has_flag(CapabilityFlag::Random) {
            random::add_to_linker::<_, HasGuestState>(&mut linker, |state| state)?;
            insecure::add_to_linker::<_, HasGuestState>(&mut linker, |state| state)?;
            insecure_seed::add_to_linker::<_, HasGuestState>(&mut linker, |state| state)?;
        }
        if capabilities.has_flag(CapabilityFlag::Keyvalue) {
            store::add_to_linker::<_, HasGuestState>(&mut linker, |state| state)?;
            atomics::add_to_linker::<_, HasGuestState>(&mut linker, |state| state)?;
        }
        if capabilities.has_http() {
            http::add_to_linker(&mut linker)?;
        }
        Ok(linker)
    }

    /// A store whose guest is bounded in memory, and in each call by the time of its
    /// role.
    pub(crate) fn new_store(
        &self,
        around: Arc<VersionContext>,
        role: Role,
        places: Reservation,
    ) -> Store<GuestState> {
        let hostcall_bytes = around.limits.hostcall_bytes();
        let state = GuestState::new(around, role, places, Arc::clone(&self.0.io_driver_waker));
        let mut store = Store::new(&self.0.engine, state);
        store.limiter(|state| &mut state.limiter as &mut dyn ResourceLimiter);
        store.set_hostcall_fuel(hostcall_bytes);
        store.epoch_deadline_callback(|mut store| store.data_mut().on_tick());
        store
    }

    /// Starts the clock for one call.
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

/// Places for one instance each that one of a component takes of the pool, which has a memory, four core instances and four
/// tables a place. Of one whose modules cannot be counted it is the most that there may be.
pub(crate) fn pool_slots(component: &Component, parts: Option<u64>) -> usize {
    let (memories, tables) = component
        .resources_required()
        .map_or((MAX_CORE_ITEMS, MAX_CORE_ITEMS), |needs| (needs.num_memories, needs.num_tables));
    let parts = parts.and_then(|parts| u32::try_from(parts).ok()).unwrap_or(MAX_CORE_ITEMS);
    let in_fours = parts.min(MAX_CORE_ITEMS).max(tables).div_ceil(CORE_INSTANCES_PER_COMPONENT);
    memories.max(in_fours).max(1) as usize
}

/// Places for instances with at most `memory` bytes each, reserved at once.
fn pooling_strategy(instances: u32, memory: usize) -> InstanceAllocationStrategy {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES_PER_COMPONENT))
        .total_memories(instances)
        .total_tables(instances.saturating_mul(CORE_INSTANCES_PER_COMPONENT))
        // Plain calls need no fibers, and the guard page of each would take two mappings.
        .total_stacks(0)
        .max_core_instances_per_component(MAX_CORE_ITEMS)
        .max_memories_per_component(MAX_CORE_ITEMS)
        .max_memories_per_module(MAX_CORE_ITEMS)
        .max_tables_per_component(MAX_CORE_ITEMS)
        .max_tables_per_module(MAX_CORE_ITEMS)
        .table_elements(MAX_TABLE_ELEMENTS)
        .max_memory_size(memory);
    // Pages that a guest has written to are wiped and kept for the next, where the system tells which
    // they are: to give them back would take each thread's attention, and then a fault a page.
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes)
            .linear_memory_keep_resident(MEMORY_KEEP_RESIDENT_BYTES)
            .table_keep_resident(TABLE_KEEP_RESIDENT_BYTES);
    }
    InstanceAllocationStrategy::Pooling(pool)
}

/// Each memory is mapped when its instance starts, and moves where it grows beyond what was reserved for it.
fn on_demand_config() -> Config {
    let mut config = base_config();
    config
        .allocation_strategy(InstanceAllocationStrategy::OnDemand)
        .memory_reservation(0)
        .memory_reservation_for_growth(MEMORY_GROWTH_BYTES);
    config
}

/// The engine configuration of all guests, however they are allocated. docs/reference/webassembly.md lists the accepted
/// proposals. Each is set here, so that another version of the engine changes none of them.
fn base_config() -> Config {
    let mut config = Config::new();
    config
        .wasm_tail_call(true)
        .wasm_extended_const(true)
        .wasm_multi_memory(true)
        .wasm_memory64(true)
        .wasm_simd(true)
        .wasm_relaxed_simd(true)
        // The same bytes do the same on each processor.
        .relaxed_simd_deterministic(true)
        .wasm_gc(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        .wasm_shared_everything_threads(false)
        .wasm_stack_switching(false)
        .memory_guard_size(MEMORY_GUARD_BYTES)
        // Stripped guests have no names to show, and a trap in the log is one line.
        .wasm_backtrace_max_frames(None)
        .concurrency_support(false)
        .epoch_interruption(true);
    config
}

#[cfg(test)]
mod proposals;

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_encoder::{InstanceSection, MemorySection, MemoryType, Module, ModuleSection};

    /// With so many instances of a module that has so many memories.
    fn component(engine: &Engine, instances: usize, memories: usize) -> Component {
        let mut section = MemorySection::new();
        for _ in 0..memories {
            section.memory(MemoryType {
                minimum: 1,
                maximum: None,
                memory64: false,
                shared: false,
                page_size_log2: None,
            });
        }
        let mut module = Module::new();
        module.section(&section);
        let mut within = InstanceSection::new();
        for _ in 0..instances {
            within.instantiate::<_, &str>(0, []);
        }
        let mut component = wasm_encoder::Component::new();
        component.section(&ModuleSection(&module)).section(&within);
        Component::new(&engine.0.engine, component.finish()).unwrap()
    }

    #[test]
    fn an_instance_takes_as_many_places_as_it_takes_of_the_pool() {
        let engine = Engine::new(1, 1 << 20, None).unwrap();
        for ((instances, memories), taken) in
            [((1, 1), 1), ((4, 0), 1), ((5, 0), 2), ((3, 1), 3), ((6, 1), 6), ((1, 2), 2)]
        {
            let component = component(&engine, instances, memories);
            let parts = Some(instances as u64);
            assert_eq!(pool_slots(&component, parts), taken, "{instances} of {memories}");
        }
        assert_eq!(pool_slots(&component(&engine, 1, 1), None), 4);
    }
}
