//! A version's code with a memory of its own: entered with its clock running, and never again after
//! it has failed.

use std::sync::Arc;
use std::time::Instant;

use wasmtime::Store;
use wasmtime::component::Instance as Exports;

use super::effects::Effect;
use super::outside::Hush;
use super::state::{GuestState, OutOfTime, Panic};
use super::version::Version;
use super::words::Saying;
use narrowboat_core::component::Role;
use narrowboat_core::fault::{GuestFault, one_line};
use narrowboat_core::log_target::GUEST;
use narrowboat_quota::{Bound, Owner, Taken};

/// One instantiation of a version.
pub(super) struct GuestStore {
    store: Store<GuestState>,
    version: Arc<Version>,
    /// It trapped, or was stopped, and cannot be entered again.
    dead: bool,
}

impl GuestStore {
    /// Instantiates a version for a role, and finds in it what `load` looks for. What is hushed changes nothing beyond
    /// the host, its start-up code included.
    ///
    /// # Errors
    /// When its start-up code fails, or the pool of instances is exhausted.
    pub(super) fn start<G>(
        version: Arc<Version>,
        role: Role,
        places: Taken,
        hush: Option<Hush>,
        load: impl FnOnce(&Version, &mut Store<GuestState>, &Exports) -> wasmtime::Result<G>,
    ) -> Result<(Self, G), GuestFault> {
        let mut store = version.engine.store(Arc::clone(&version.around), role, places);
        store.data_mut().hush(hush);
        let mut started = Self { store, version, dead: false };
        let guest = started.timed(|version, store| {
            let exports = version.pre.instantiate(&mut *store)?;
            load(version, store, &exports)
        });
        let guest = guest.map_err(|fault| match started.data().growth.refused() {
            Some(bound @ Bound::Memories) => GuestFault::Bounded(bound.name()),
            _ => fault,
        })?;
        // What start-up code asked for belongs to no connection.
        drop(started.take_effects());
        Ok((started, guest))
    }

    pub(super) fn version(&self) -> &Arc<Version> {
        &self.version
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead
    }

    pub(super) fn data(&self) -> &GuestState {
        self.store.data()
    }

    pub(super) fn data_mut(&mut self) -> &mut GuestState {
        self.store.data_mut()
    }

    /// Takes what the last call asked for.
    pub(super) fn take_effects(&mut self) -> Vec<Effect> {
        self.store.data_mut().settle()
    }

    /// Enters the guest with its clock running.
    ///
    /// # Errors
    /// After any but [`GuestFault::InstanceGone`] it is dead, and what the call asked for is gone.
    pub(super) fn timed<R>(
        &mut self,
        call: impl FnOnce(&Version, &mut Store<GuestState>) -> wasmtime::Result<R>,
    ) -> Result<R, GuestFault> {
        if self.dead {
            return Err(GuestFault::InstanceGone);
        }
        let began = Instant::now();
        let running = self.version.engine.begin(&mut self.store, began);
        let (version, store) = (&*self.version, &mut self.store);
        let result = match version.asks().may_wait() {
            // It is on a guest thread, but for the rare call that a session makes itself, as when a shared instance is
            // sampled: the sockets of that thread go on elsewhere meanwhile.
            true => tokio::task::block_in_place(|| call(version, store)),
            false => call(version, store),
        };
        drop(running);
        let (state, ended) = (self.store.data_mut(), Instant::now());
        state.charge(ended);
        let ran = (ended - began).saturating_sub(state.waited());
        self.version.tally.times().count(ran);
        let GuestState { stopwatch, around, .. } = self.store.data();
        stopwatch.note_end(&around.lane);
        result.map_err(|error| {
            self.dead = true;
            drop(self.take_effects());
            let panic = self.store.data_mut().take_panic();
            fault(self.store.data(), &error, panic)
        })
    }
}

impl Version {
    /// Makes an instance of it and drops that again.
    ///
    /// # Errors
    /// When its start-up code fails, or the pool of instances is exhausted.
    pub fn try_start(self: Arc<Self>) -> Result<(), GuestFault> {
        let role = self.first_role();
        let places = self.count_places();
        GuestStore::start(self, role, places, Some(Hush::Trial), |_, _, _| Ok(())).map(drop)
    }
}

/// Whose memory, of what instances have together, had no room, and the key that bounds it.
fn memories_refused(state: &GuestState) -> String {
    let around = &state.around;
    let tenant = match around.tenant.is_default() {
        true => String::new(),
        false => format!("tenants.{}.", around.tenant),
    };
    let plugin = around.plugin.rsplit('/').next().unwrap_or_default();
    let (whose, table) = match state.growth.refuser() {
        Some(Owner::Plugin) => {
            ("all instances of the plugin", format!("{tenant}plugins.{plugin}."))
        }
        Some(Owner::Tenant) => ("all instances of the tenant", tenant),
        Some(Owner::Host) | None => ("all instances", String::new()),
    };
    format!(", after it was refused more of the memory that {whose} have ({table}limits.memories)")
}

/// Turns an error of the engine into a fault; `panic` says why the guest trapped, if it panicked.
fn fault(state: &GuestState, error: &wasmtime::Error, panic: Option<Panic>) -> GuestFault {
    if error.downcast_ref::<OutOfTime>().is_some() {
        let (limit, time) = state.around.limits.time_of(state.stopwatch.role());
        return GuestFault::OutOfTime { limit, time };
    }
    let text = format!("{error:#}");
    let mut text = one_line(&match &panic {
        Some(panic) => format!("panic: {}: {text}", panic.text),
        None => text,
    });
    if let Some(panic) = panic {
        log_panic(state, &panic);
    }
    match state.growth.refused() {
        Some(Bound::Memories) => {
            text += &memories_refused(state);
        }
        Some(_) => {
            let memory = narrowboat_core::units::ByteSize::from(state.around.limits.memory);
            text += &format!(", after it was refused more than its memory of {memory}");
        }
        None => {}
    }
    GuestFault::Trap(text)
}

/// Logs why a guest panicked, whether or not its manifest asks for `log`.
fn log_panic(state: &GuestState, panic: &Panic) {
    if panic.logged {
        return;
    }
    let (plugin, version) = (&*state.around.plugin, &*state.around.version);
    match state.around.panics.say() {
        Saying::Said => {
            let (channel, text) = (state.channel(), &panic.text);
            tracing::error!(target: GUEST, plugin, version, channel, context = "panic", "{text}");
        }
        Saying::First => {
            tracing::warn!(plugin, version, "it panics more often than is told; lines are dropped");
        }
        Saying::Unsaid => {}
    }
}
