//! The store of one instance: every call into the guest goes through it.

use std::sync::Arc;
use std::time::Instant;

use wasmtime::Store;
use wasmtime::component::Instance as Exports;
use wasmtime_wasi::I32Exit;

use crate::effects::Effect;
use crate::language_runtime::SourceProblems;
use crate::store::{
    GuestState, LogDecision, MemoryQuotaExceeded, OutOfTime, Phase, SuppressReason, TrapReport,
};
use crate::version::Version;
use narrowboat_core::component::Role;
use narrowboat_core::fault::{GuestFault, sanitize_log_line};
use narrowboat_core::log_target::GUEST;
use narrowboat_core::units::ByteSize;
use narrowboat_quota::{LimitKind, QuotaOwner, Reservation};

/// The most bytes of a compiled program, with what belongs to it.
const MAX_PROGRAM_BYTES: usize = 64 * 1024 * 1024;

/// The store of one instance. It limits the time of each call, and refuses calls after a call has failed.
pub(crate) struct GuestStore {
    store: Store<GuestState>,
    version: Arc<Version>,
    /// Whether a call has trapped or was stopped, so that the guest cannot be called again.
    is_dead: bool,
}

impl GuestStore {
    /// Instantiates a version for a role, and returns the exports that `load` finds. If `suppressed` is set, the guest
    /// changes nothing beyond the host, not even in its start-up code.
    ///
    /// # Errors
    /// If its start-up code fails, or the instance pool is exhausted.
    pub(crate) fn instantiate<G>(
        version: Arc<Version>,
        role: Role,
        pool_slots: Reservation,
        suppressed: Option<SuppressReason>,
        load: impl FnOnce(&Version, &mut Store<GuestState>, &Exports) -> wasmtime::Result<G>,
    ) -> Result<(Self, G), GuestFault> {
        let store = version.engine.new_store(Arc::clone(&version.ctx), role, pool_slots);
        let mut guest_store = Self { store, version, is_dead: false };
        if guest_store.version.program().is_some() {
            guest_store.set_phase(Phase::Load);
            guest_store.data_mut().suppressed = suppressed.or(Some(SuppressReason::Load));
        } else {
            guest_store.data_mut().suppressed = suppressed;
        }
        let guest = guest_store.call_with_deadline(|version, store| {
            let exports = version.instantiate(store)?;
            load(version, store, &exports)
        });
        guest_store.set_phase(Phase::Run);
        guest_store.data_mut().suppressed = suppressed;
        let guest = guest.map_err(|fault| match guest_store.data().limiter.denied_limit() {
            Some(limit @ LimitKind::TotalMemory) => GuestFault::QuotaExceeded(limit.name()),
            _ => fault,
        })?;
        // The effects of start-up code do not belong to a connection.
        drop(guest_store.take_effects());
        Ok((guest_store, guest))
    }

    /// Sets what the next calls do, which decides how long they may take.
    pub(crate) fn set_phase(&mut self, phase: Phase) {
        let state = self.store.data_mut();
        state.stopwatch.set_phase(&state.ctx.limits, phase);
        let hostcall_bytes = match phase {
            Phase::Load => MAX_PROGRAM_BYTES,
            Phase::Run => state.ctx.limits.hostcall_bytes(),
        };
        self.store.set_hostcall_fuel(hostcall_bytes);
    }

    pub(crate) fn version(&self) -> &Arc<Version> {
        &self.version
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.is_dead
    }

    pub(crate) fn data(&self) -> &GuestState {
        self.store.data()
    }

    pub(crate) fn data_mut(&mut self) -> &mut GuestState {
        self.store.data_mut()
    }

    /// Takes the effects of the last call.
    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        self.store.data_mut().take_effects()
    }

    /// Calls the guest within its time limit.
    ///
    /// # Errors
    /// [`GuestFault::InstanceLost`] if the guest was dead before. After any other error the guest is dead, and
    /// the effects of the event that ran are lost.
    pub(crate) fn call_with_deadline<R>(
        &mut self,
        call: impl FnOnce(&Version, &mut Store<GuestState>) -> wasmtime::Result<R>,
    ) -> Result<R, GuestFault> {
        if self.is_dead {
            return Err(GuestFault::InstanceLost);
        }
        let started = Instant::now();
        let ticking = self.version.engine.begin_call(&mut self.store, started);
        let (version, store) = (&*self.version, &mut self.store);
        let result = call(version, store);
        drop(ticking);
        let (state, ended) = (self.store.data_mut(), Instant::now());
        state.log_rest_of_output();
        state.charge_cpu_time(ended);
        let running_time = (ended - started).saturating_sub(state.time_waited());
        self.version.stats.call_durations().count(running_time);
        let GuestState { stopwatch, ctx, .. } = self.store.data();
        stopwatch.record_call_end(&ctx.execution_mode);
        let result = result.and_then(|reply| {
            self.store.data_mut().limiter.reserve_touched_memory()?;
            Ok(reply)
        });
        result.map_err(|error| {
            self.is_dead = true;
            self.store.data_mut().drop_unended_effects();
            let report = self.store.data_mut().take_trap_report();
            to_guest_fault(self.store.data(), &error, report)
        })
    }
}

impl Version {
    /// Creates an instance of the version and drops it.
    ///
    /// # Errors
    /// If its start-up code fails, or the instance pool is exhausted.
    pub fn try_start(self: Arc<Self>) -> Result<(), GuestFault> {
        let role = self.default_role();
        let pool_slots = self.force_reserve_pool_slots();
        GuestStore::instantiate(self, role, pool_slots, Some(SuppressReason::Trial), |_, _, _| {
            Ok(())
        })
        .map(drop)
    }
}

/// Describes whose shared memory limit refused memory, and names the key of that limit.
fn describe_memory_denial(state: &GuestState) -> String {
    let ctx = &state.ctx;
    let tenant = match ctx.tenant.is_default() {
        true => String::new(),
        false => format!("tenants.{}.", ctx.tenant),
    };
    let plugin = ctx.plugin.rsplit('/').next().unwrap_or_default();
    let (owner, table) = match state.limiter.denied_by() {
        Some(QuotaOwner::Plugin) => {
            ("all instances of the plugin", format!("{tenant}plugins.{plugin}."))
        }
        Some(QuotaOwner::Tenant) => ("all instances of the tenant", tenant),
        Some(QuotaOwner::Host) | None => ("all instances", String::new()),
    };
    format!(
        ", after it was refused more of the memory that {owner} have ({table}limits.total_memory)"
    )
}

/// Converts an error of the engine into a fault. `report` is the reason of the trap, if the guest gave one.
fn to_guest_fault(
    state: &GuestState,
    error: &wasmtime::Error,
    report: Option<TrapReport>,
) -> GuestFault {
    if error.downcast_ref::<OutOfTime>().is_some() {
        let stopwatch = &state.stopwatch;
        let (limit, time) = state.ctx.limits.time_limit(stopwatch.role(), stopwatch.phase());
        return GuestFault::TimeLimitExceeded { limit, time };
    }
    if let Some(problems) = error.downcast_ref::<SourceProblems>() {
        return GuestFault::Error(sanitize_log_line(&problems.to_string()));
    }
    if let Some(MemoryQuotaExceeded { limit }) = error.downcast_ref() {
        return GuestFault::QuotaExceeded(limit.name());
    }
    let text = match error.downcast_ref::<I32Exit>() {
        Some(I32Exit(code)) => format!("the guest ended itself with the exit code {code}"),
        None => format!("{error:#}"),
    };
    let mut text = sanitize_log_line(&match &report {
        Some(report) => format!("{}: {}: {text}", report.source, report.text),
        None => text,
    });
    if let Some(report) = report {
        log_trap_report(state, &report);
    }
    match state.limiter.denied_limit() {
        Some(LimitKind::TotalMemory) => {
            text += &describe_memory_denial(state);
        }
        Some(_) => {
            let memory = ByteSize::from(state.ctx.limits.memory);
            text += &format!(", after it was refused more than its memory of {memory}");
        }
        None => {}
    }
    GuestFault::Trap(text)
}

/// Logs why a guest trapped, whether or not its manifest requests `log`.
fn log_trap_report(state: &GuestState, report: &TrapReport) {
    if report.logged {
        return;
    }
    let (plugin, version) = (&*state.ctx.plugin, &*state.ctx.version);
    match state.ctx.panic_limiter.decide() {
        LogDecision::Log => {
            let channel = state.connections.current_channel();
            let TrapReport { source: context, text, .. } = report;
            tracing::error!(target: GUEST, plugin, version, channel, context, "{text}");
        }
        LogDecision::DropAndWarn => {
            tracing::warn!(
                plugin,
                version,
                "panics dropped from the log: the plugin panics too often"
            );
        }
        LogDecision::Drop => {}
    }
}
