//! The engine of the guest server, set up as the host's.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Result, Store,
    UpdateDeadline,
};

use super::Calls;
use super::bindings::plain::narrowboat::consumer::connections;
use super::bindings::{fiber, plain};
use super::instance::Instance;
use super::state::GuestState;

/// Instances at a time.
const INSTANCES: u32 = 1_000;

/// Core instances, memories and tables that one component counts for, at most.
const PARTS: u32 = 4;

/// Linear memory of an instance, in bytes.
const MEMORY: usize = 64 * 1024 * 1024;

/// Address space between two memories, in bytes.
const GUARD: u64 = 64 * 1024;

/// The clock that stops or suspends guests.
const TICK: Duration = Duration::from_millis(1);

/// How often the clock looks whether there are guests again.
const REST: Duration = Duration::from_millis(20);

/// A component ready to be instantiated.
pub(super) struct Guests {
    engine: Engine,
    entry: Entry,
    /// Instances that live, so that the clock rests while none does.
    alive: Arc<AtomicUsize>,
}

/// The component behind the bindings of its kind of call.
pub(super) enum Entry {
    Plain(plain::EchoPre<GuestState>),
    Fiber(fiber::EchoPre<GuestState>),
}

impl Guests {
    pub(super) fn new(component: &[u8], calls: Calls) -> Result<Self> {
        let engine = Engine::new(&config())?;
        let component = Component::new(&engine, component)?;
        let mut linker = Linker::new(&engine);
        connections::add_to_linker::<_, HasSelf<GuestState>>(&mut linker, |state| state)?;
        linker.define_unknown_imports_as_traps(&component)?;
        let linked = linker.instantiate_pre(&component)?;
        let entry = match calls {
            Calls::Plain => Entry::Plain(plain::EchoPre::new(linked)?),
            Calls::Fiber => Entry::Fiber(fiber::EchoPre::new(linked)?),
        };
        let alive = Arc::new(AtomicUsize::new(0));
        std::thread::spawn({
            let (engine, alive) = (engine.clone(), Arc::clone(&alive));
            move || tick(&engine, &alive)
        });
        Ok(Self { engine, entry, alive })
    }

    /// A new instance with a consumer in it.
    pub(super) async fn instance(&self) -> Result<Instance> {
        let state = GuestState::new(Arc::clone(&self.alive));
        let mut store = Store::new(&self.engine, state);
        match &self.entry {
            Entry::Plain(_) => store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Continue(1))),
            Entry::Fiber(_) => store.epoch_deadline_async_yield_and_update(1),
        }
        Instance::new(store, &self.entry).await
    }
}

fn config() -> Config {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(INSTANCES)
        .total_core_instances(INSTANCES * PARTS)
        .total_memories(INSTANCES)
        .total_tables(INSTANCES * PARTS)
        .total_stacks(INSTANCES)
        .max_memory_size(MEMORY);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .memory_reservation(MEMORY as u64)
        .memory_guard_size(GUARD)
        .concurrency_support(false)
        .epoch_interruption(true);
    config
}

fn tick(engine: &Engine, alive: &AtomicUsize) {
    loop {
        let rest = if alive.load(Ordering::Relaxed) == 0 { REST } else { TICK };
        std::thread::sleep(rest);
        engine.increment_epoch();
    }
}
