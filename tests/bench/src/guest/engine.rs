//! The engine of the guest server, configured like the engine of the host.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Result, Store,
    UpdateDeadline,
};

use super::CallKind;
use super::bindings::plain::narrowboat::consumer::connections;
use super::bindings::{fiber, plain};
use super::instance::EchoInstance;
use super::state::EchoState;

/// The size of the instance pool.
const MAX_INSTANCES: u32 = 1_000;

/// The most core instances, memories and tables of one component.
const CORE_PARTS_PER_COMPONENT: u32 = 4;

/// The largest linear memory of an instance, in bytes.
const MAX_MEMORY_BYTES: usize = 64 * 1024 * 1024;

/// The guard region after each memory, in bytes.
const MEMORY_GUARD_BYTES: u64 = 64 * 1024;

/// The period of the clock that advances the epoch.
const EPOCH_TICK: Duration = Duration::from_millis(1);

/// The pause of the clock while there are no guests.
const IDLE_EPOCH_TICK: Duration = Duration::from_millis(20);

/// A component that is ready for instantiation.
pub(super) struct EchoInstantiator {
    engine: Engine,
    instance_pre: EchoInstancePre,
    /// The number of live instances. The clock pauses while it is 0.
    live_instances: Arc<AtomicUsize>,
}

/// The component, with the bindings of its kind of call.
pub(super) enum EchoInstancePre {
    Plain(plain::EchoPre<EchoState>),
    Fiber(fiber::EchoPre<EchoState>),
}

impl EchoInstantiator {
    pub(super) fn new(component: &[u8], calls: CallKind) -> Result<Self> {
        let engine = Engine::new(&engine_config())?;
        let component = Component::new(&engine, component)?;
        let mut linker = Linker::new(&engine);
        connections::add_to_linker::<_, HasSelf<EchoState>>(&mut linker, |state| state)?;
        linker.define_unknown_imports_as_traps(&component)?;
        let linked = linker.instantiate_pre(&component)?;
        let entry = match calls {
            CallKind::Plain => EchoInstancePre::Plain(plain::EchoPre::new(linked)?),
            CallKind::Fiber => EchoInstancePre::Fiber(fiber::EchoPre::new(linked)?),
        };
        let alive = Arc::new(AtomicUsize::new(0));
        std::thread::spawn({
            let (engine, alive) = (engine.clone(), Arc::clone(&alive));
            move || run_epoch_ticker(&engine, &alive)
        });
        Ok(Self { engine, instance_pre: entry, live_instances: alive })
    }

    /// Creates an instance with a consumer.
    pub(super) async fn instantiate(&self) -> Result<EchoInstance> {
        let state = EchoState::new(Arc::clone(&self.live_instances));
        let mut store = Store::new(&self.engine, state);
        match &self.instance_pre {
            EchoInstancePre::Plain(_) => {
                store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Continue(1)));
            }
            EchoInstancePre::Fiber(_) => store.epoch_deadline_async_yield_and_update(1),
        }
        EchoInstance::new(store, &self.instance_pre).await
    }
}

fn engine_config() -> Config {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(MAX_INSTANCES)
        .total_core_instances(MAX_INSTANCES * CORE_PARTS_PER_COMPONENT)
        .total_memories(MAX_INSTANCES)
        .total_tables(MAX_INSTANCES * CORE_PARTS_PER_COMPONENT)
        .total_stacks(MAX_INSTANCES)
        .max_memory_size(MAX_MEMORY_BYTES);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .memory_reservation(MAX_MEMORY_BYTES as u64)
        .memory_guard_size(MEMORY_GUARD_BYTES)
        .concurrency_support(false)
        .epoch_interruption(true);
    config
}

fn run_epoch_ticker(engine: &Engine, alive: &AtomicUsize) {
    loop {
        let rest = if alive.load(Ordering::Relaxed) == 0 { IDLE_EPOCH_TICK } else { EPOCH_TICK };
        std::thread::sleep(rest);
        engine.increment_epoch();
    }
}
