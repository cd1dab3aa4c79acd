//! A version's code with a memory of its own: entered with its clock running, and never again after
//! it has failed.

use std::sync::Arc;
use std::time::Instant;

use wasmtime::Store;
use wasmtime::component::Instance as Exports;

use super::effects::Effect;
use super::log_limiter::LogDecision;
use super::state::{GuestPanic, GuestState, OutOfTime};
use super::version::Version;
use super::wasi_state::SuppressReason;
use narrowboat_core::component::Role;
use narrowboat_core::fault::{GuestFault, sanitize_log_line};
use narrowboat_core::log_target::GUEST;
use narrowboat_quota::{LimitKind, QuotaOwner, Reservation};

/// One instantiation of a version.
pub(super) struct GuestStore {
    store: Store<GuestState>,
    version: Arc<Version>,
    /// It trapped, or was stopped, and cannot be entered again.
    is_dead: bool,
}

impl GuestStore {
    /// Instantiates a version for a role, and finds in it what `load` looks for. What is hushed changes nothing beyond
    /// the host, its start-up code included.
    ///
    /// # Errors
    /// When its start-up code fails, or the pool of instances is exhausted.
    pub(super) fn instantiate<G>(
        version: Arc<Version>,
        role: Role,
        places: Reservation,
        hush: Option<SuppressReason>,
        load: impl FnOnce(&Version, &mut Store<GuestState>, &Exports) -> wasmtime::Result<G>,
    ) -> Result<(Self, G), GuestFault> {
        let mut store = version.engine.new_store(Arc::clone(&version.ctx), role, places);
        store.data_mut().replace_suppress_reason(hush);
        let mut started = Self { store, version, is_dead: false };
        let guest = started.call_with_deadline(|version, store| {
            let exports = version.pre.instantiate(&mut *store)?;
            load(version, store, &exports)
        });
        let guest = guest.map_err(|fault| match started.data().limiter.denied_limit() {
            Some(bound @ LimitKind::TotalMemory) => GuestFault::QuotaExceeded(bound.name()),
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
        self.is_dead
    }

    pub(super) fn data(&self) -> &GuestState {
        self.store.data()
    }

    pub(super) fn data_mut(&mut self) -> &mut GuestState {
        self.store.data_mut()
    }

    /// Takes what the last call asked for.
    pub(super) fn take_effects(&mut self) -> Vec<Effect> {
        self.store.data_mut().take_effects()
    }

    /// Enters the guest with its clock running.
    ///
    /// # Errors
    /// After any but [`GuestFault::InstanceGone`] it is dead, and what the call asked for is gone.
    pub(super) fn call_with_deadline<R>(
        &mut self,
        call: impl FnOnce(&Version, &mut Store<GuestState>) -> wasmtime::Result<R>,
    ) -> Result<R, GuestFault> {
        if self.is_dead {
            return Err(GuestFault::SharedInstanceFailed);
        }
        let began = Instant::now();
        let running = self.version.engine.begin_call(&mut self.store, began);
        let (version, store) = (&*self.version, &mut self.store);
        let result = match version.capabilities().may_wait_on_io() {
            // It is on a guest thread, but for the rare call that a session makes itself, as when a shared instance is
            // sampled: the sockets of that thread go on elsewhere meanwhile.
            true => tokio::task::block_in_place(|| call(version, store)),
            false => call(version, store),
        };
        drop(running);
        let (state, ended) = (self.store.data_mut(), Instant::now());
        state.charge_cpu_time(ended);
        let ran = (ended - began).saturating_sub(state.time_waited());
        self.version.stats.call_durations().count(ran);
        let GuestState { stopwatch, ctx: around, .. } = self.store.data();
        stopwatch.record_call_end(&around.execution_mode);
        result.map_err(|error| {
            self.is_dead = true;
            drop(self.take_effects());
            let panic = self.store.data_mut().take_panic();
            to_guest_fault(self.store.data(), &error, panic)
        })
    }
}

impl Version {
    /// Makes an instance of it and drops that again.
    ///
    /// # Errors
    /// When its start-up code fails, or the pool of instances is exhausted.
    pub fn try_start(self: Arc<Self>) -> Result<(), GuestFault> {
        let role = self.default_role();
        let places = self.force_reserve_pool_slots();
        GuestStore::instantiate(self, role, places, Some(SuppressReason::Trial), |_, _, _| Ok(()))
            .map(drop)
    }
}

/// Whose memory, of what instances have together, had no room, and the key that bounds it.
fn describe_memory_denial(state: &GuestState) -> String {
    let around = &state.ctx;
    let tenant = match around.tenant.is_default() {
        true => String::new(),
        false => format!("tenants.{}.", around.tenant),
    };
    let plugin = around.plugin.rsplit('/').next().unwrap_or_default();
    let (whose, table) = match state.limiter.denied_by() {
        Some(QuotaOwner::Plugin) => {
            ("all instances of the plugin", format!("{tenant}plugins.{plugin}."))
        }
        Some(QuotaOwner::Tenant) => ("all instances of the tenant", tenant),
        Some(QuotaOwner::Host) | None => ("all instances", String::new()),
    };
    format!(
        ", after it was refused more of the memory that {whose} have ({table}limits.total_memory)"
    )
}

/// Turns an error of the engine into a fault; `panic` says why the guest trapped, if it panicked.
fn to_guest_fault(
    state: &GuestState,
    error: &wasmtime::Error,
    panic: Option<GuestPanic>,
) -> GuestFault {
    if error.downcast_ref::<OutOfTime>().is_some() {
        let (limit, time) = state.ctx.limits.time_limit(state.stopwatch.role());
        return GuestFault::TimeLimitExceeded { limit, time };
    }
    let text = format!("{error:#}");
    let mut text = sanitize_log_line(&match &panic {
        Some(panic) => format!("panic: {}: {text}", panic.text),
        None => text,
    });
    if let Some(panic) = panic {
        log_panic(state, &panic);
    }
    match state.limiter.denied_limit() {
        Some(LimitKind::TotalMemory) => {
            text += &describe_memory_denial(state);
        }
        Some(_) => {
            let memory = narrowboat_core::units::ByteSize::from(state.ctx.limits.memory);
            text += &format!(", after it was refused more than its memory of {memory}");
        }
        None => {}
    }
    GuestFault::Trap(text)
}

/// Logs why a guest panicked, whether or not its manifest requests `log`.
fn log_panic(state: &GuestState, panic: &GuestPanic) {
    if panic.logged {
        return;
    }
    let (plugin, version) = (&*state.ctx.plugin, &*state.ctx.version);
    match state.ctx.panic_limiter.decide() {
        LogDecision::Log => {
            let (channel, text) = (state.current_channel(), &panic.text);
            tracing::error!(target: GUEST, plugin, version, channel, context = "panic", "{text}");
        }
        LogDecision::DropAndWarn => {
            tracing::warn!(plugin, version, "it panics more often than is told; lines are dropped");
        }
        LogDecision::Drop => {}
    }
}
