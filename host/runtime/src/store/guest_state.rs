//! The data that a store holds for its guest.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use wasmtime::component::Resource;
use wasmtime::{UpdateDeadline, bail};

use super::batch_progress::BatchProgress;
use super::connection_table::ConnectionTable;
use super::output_buffer::STDERR_CONTEXT;
use super::restore_reason::RestoreReason;
use super::room_context::RoomContext;
use super::stopwatch::Stopwatch;
use super::store_limiter::StoreLimiter;
use super::suppress_reason::SuppressReason;
use super::test_host_link::TestHostLink;
use super::version_context::VersionContext;
use super::wasi_state::WasiState;
use crate::bindings::narrowboat::consumer::types::{self, Error as GuestError, Handling};
use crate::call::{ConnectionId, WitConnection};
use crate::effects::{Effect, EffectLimitExceeded, Effects};
use crate::scheduling::IoDriverWaker;
use narrowboat_core::capabilities::CapabilityFlag;
use narrowboat_core::component::Role;
use narrowboat_core::fault::{GuestFault, sanitize_log_line};
use narrowboat_quota::{LimitKind, Reservation};
use narrowboat_websocket::connection::{ConnectionHandle, PushError};

/// The data that one store holds for its guest.
pub(crate) struct GuestState {
    pub(crate) ctx: Arc<VersionContext>,
    pub(crate) connections: ConnectionTable,
    pub(crate) effects: Effects,
    pub(crate) limiter: StoreLimiter,
    pub(crate) stopwatch: Stopwatch,
    /// Boxed, because few guests have it. The lock is never contended: it makes the state `Sync`, which its contents
    /// are not, so that an instance can be lent to another thread.
    wasi: Option<Box<Mutex<WasiState>>>,
    /// Why the running call must not change anything beyond the host; `None` if it may.
    pub(crate) suppressed: Option<SuppressReason>,
    /// Why the running call restores state; `None` if it does not.
    pub(crate) restore_reason: Option<RestoreReason>,
    /// The room of the instance. Boxed, because few instances have one.
    pub(crate) room: Option<Box<RoomContext>>,
    /// The progress of the batch that the guest handles; `None` if the running call is for a single event.
    batch: Option<Box<BatchProgress>>,
    /// The host of the test that the guest runs; `None` unless the guest runs a test.
    pub(crate) test_host: Option<Box<TestHostLink>>,
    /// The panic of the running call.
    panic: Option<TrapReport>,
    /// A violation of the contract that does not stop the running call.
    contract_violation: Option<GuestFault>,
}

/// The reason of a trap in the guest's words: its panic, or what it wrote to standard error.
pub(crate) struct TrapReport {
    /// The source of the text: `panic` or `stderr`.
    pub(crate) source: &'static str,
    /// The message, on one line.
    pub(crate) text: String,
    /// Whether the log has the message already.
    pub(crate) logged: bool,
}

impl types::Host for GuestState {}

impl GuestState {
    pub(crate) fn new(
        ctx: Arc<VersionContext>,
        role: Role,
        pool_slots: Reservation,
        io_driver_waker: Arc<IoDriverWaker>,
    ) -> Self {
        let wasi = ctx.capabilities.may_wait_on_io().then(|| new_wasi_state(&ctx));
        let (usage, quota) = (Arc::clone(&ctx.usage), Arc::clone(&ctx.quota));
        Self {
            connections: ConnectionTable::default(),
            effects: Effects::new(ctx.limits.effect_bytes()),
            limiter: StoreLimiter::new(&ctx.limits, usage, quota, pool_slots),
            stopwatch: Stopwatch::new(&ctx.limits, role, io_driver_waker),
            wasi,
            suppressed: None,
            restore_reason: None,
            room: None,
            batch: None,
            test_host: None,
            panic: None,
            contract_violation: None,
            ctx,
        }
    }

    /// Starts a call.
    pub(crate) fn begin_call(&mut self, now: Instant) {
        self.stopwatch.restart(now, self.ctx.capabilities.may_wait_on_io());
        self.limiter.begin_call();
        self.panic = None;
        self.contract_violation = None;
        if let Some(wasi) = self.wasi_mut() {
            wasi.begin_call();
        }
    }

    /// Starts a batch of events, of which the first begins with the next call.
    pub(crate) fn begin_batch(&mut self, ids: Vec<ConnectionId>) {
        if let Some(first) = ids.first() {
            self.connections.set_current(*first);
        }
        self.batch = Some(Box::new(BatchProgress::new(ids)));
    }

    /// Ends the event that runs in a batch. Returns whether the guest goes on with the next one.
    ///
    /// # Errors
    /// There is no event to end, or the event has touched too much memory. The error is a trap, so the event has no
    /// effects.
    pub(crate) fn end_batch_event(
        &mut self,
        result: Result<Handling, GuestError>,
    ) -> wasmtime::Result<bool> {
        // An event that has touched too much memory has not ended.
        self.limiter.reserve_touched_memory()?;
        let Some(mut batch) = self.batch.take_if(|batch| !batch.is_over()) else {
            bail!("the guest called end-event outside of a batch, or after it was told to return")
        };
        let has_failed = result.is_err();
        let next = batch.end_event(result);
        let goes_on = !has_failed && self.end_event(next);
        if !goes_on {
            batch.finish();
        }
        self.batch = Some(batch);
        Ok(goes_on)
    }

    /// Returns whether the event of `next` follows in the same batch, after an event that has not failed or blamed its
    /// client. If so, the effects of that event stay even if the next one traps.
    pub(crate) fn end_event(&mut self, next: Option<ConnectionId>) -> bool {
        let Some(next) = next else { return false };
        let goes_on = self.contract_violation.is_none()
            && !self.stopwatch.has_taken_a_tick()
            && self.effects.has_room_for_event()
            && self.connections.accepts_event(next);
        if goes_on {
            self.effects.end_event();
            self.begin_event(next);
        }
        goes_on
    }

    /// Begins an event that is not the first of its batch.
    fn begin_event(&mut self, id: ConnectionId) {
        self.connections.begin_next_event();
        self.connections.set_current(id);
        self.panic = None;
        if let Some(wasi) = self.wasi_mut() {
            wasi.begin_call();
        }
    }

    /// The progress of the batch, after the guest has returned from it.
    ///
    /// # Errors
    /// The guest returned before it had ended the event that ran. The error is a trap.
    pub(crate) fn check_batch_end(&self) -> wasmtime::Result<()> {
        match &self.batch {
            Some(batch) if !batch.is_over() => {
                bail!("the guest returned from a batch before it had ended the event that ran")
            }
            _ => Ok(()),
        }
    }

    /// Takes the progress of the batch after its call.
    pub(crate) fn take_batch(&mut self) -> Option<BatchProgress> {
        self.batch.take().map(|batch| *batch)
    }

    /// Handles a tick that finds the guest running. A guest is not charged for ticks while its thread did not run.
    ///
    /// # Errors
    /// [`OutOfTime`](super::OutOfTime) if the call has run for too long, and
    /// [`MemoryQuotaExceeded`](super::MemoryQuotaExceeded) if it has touched too much memory.
    pub(crate) fn on_tick(&mut self) -> wasmtime::Result<UpdateDeadline> {
        self.charge_cpu_time(Instant::now());
        self.limiter.reserve_touched_memory()?;
        let is_excluded = self.wasi_mut().is_some_and(|wasi| wasi.wait_budget.exclude_tick());
        if !is_excluded {
            self.stopwatch.record_tick(&self.ctx.execution_mode)?;
        }
        Ok(UpdateDeadline::Continue(1))
    }

    /// Charges the plugin for the time that the running call has used since the last charge.
    pub(crate) fn charge_cpu_time(&mut self, now: Instant) {
        let time = self.stopwatch.take_uncharged(now);
        self.ctx.quota.record_cpu_time(time);
    }

    /// How long the imports of the running call have waited for I/O. This time does not count as running time.
    pub(crate) fn time_waited(&mut self) -> Duration {
        self.wasi_mut().map_or(Duration::ZERO, |wasi| wasi.wait_budget.waited())
    }

    /// The WASI state, created on first use.
    pub(crate) fn wasi_mut_or_init(&mut self) -> &mut WasiState {
        let wasi = self.wasi.get_or_insert_with(|| new_wasi_state(&self.ctx));
        wasi.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// The WASI state, if the guest has used it.
    pub(crate) fn wasi_mut(&mut self) -> Option<&mut WasiState> {
        let wasi = self.wasi.as_mut()?;
        Some(wasi.get_mut().unwrap_or_else(PoisonError::into_inner))
    }

    /// Excludes the waits of an import from the running time of the call. After a long wait, the calls of the version
    /// run on guest threads.
    pub(crate) fn record_waits(&mut self) {
        let waited = self.wasi_mut_or_init().wait_budget.take_unrecorded();
        if !waited.is_zero() {
            self.stopwatch.exclude_wait(waited);
        }
    }

    /// Stores a panic of the running call, in case the call traps.
    pub(crate) fn record_panic(&mut self, panic: TrapReport) {
        self.panic = Some(panic);
    }

    /// Takes the panic of the last call, or what the call has written to standard error before it trapped.
    pub(crate) fn take_trap_report(&mut self) -> Option<TrapReport> {
        let logged = self.ctx.capabilities.has_flag(CapabilityFlag::Log);
        self.panic.take().or_else(|| {
            let report = self.wasi_mut()?.take_stderr_report()?;
            Some(TrapReport { source: STDERR_CONTEXT, text: sanitize_log_line(&report), logged })
        })
    }

    /// Stores a violation of the contract that does not stop the running call.
    pub(crate) fn record_contract_violation(&mut self, fault: GuestFault) {
        self.contract_violation = Some(fault);
    }

    /// Takes the violation of the contract by the last call.
    pub(crate) fn take_contract_violation(&mut self) -> Option<GuestFault> {
        self.contract_violation.take()
    }

    /// Reserves room for a frame of `len` bytes that is sent after the running call.
    ///
    /// # Errors
    /// The error that the queue of the connection would return.
    pub(crate) fn reserve_send(
        &mut self,
        id: ConnectionId,
        len: usize,
    ) -> Result<Arc<ConnectionHandle>, PushError> {
        self.connections.reserve_send(id, len, &mut self.effects)
    }

    /// Reserves a timer that starts after the running call. `None` if the connection has no timer left.
    ///
    /// # Errors
    /// [`PushError::Closed`].
    pub(crate) fn reserve_timer(
        &mut self,
        handle: &Resource<WitConnection>,
    ) -> Result<Option<Arc<ConnectionHandle>>, PushError> {
        let reserved = self.connections.reserve_timer(handle, self.ctx.limits.timers)?;
        if reserved.is_none() {
            self.ctx.quota.record_limit_hit(LimitKind::Timers);
        }
        Ok(reserved)
    }

    /// Adds an effect of an import that has no error to return.
    ///
    /// # Errors
    /// If the call has too many effects. This error is a trap.
    pub(crate) fn push_effect_or_trap(&mut self, effect: Effect) -> wasmtime::Result<()> {
        self.push_payload_or_trap(effect, 0)
    }

    /// Adds an effect with a payload of `bytes`, as [`Self::push_effect_or_trap`] does.
    ///
    /// # Errors
    /// If the call has too many effects. This error is a trap.
    pub(crate) fn push_payload_or_trap(
        &mut self,
        effect: Effect,
        bytes: usize,
    ) -> wasmtime::Result<()> {
        match self.effects.push(effect, bytes) {
            Ok(()) => Ok(()),
            Err(EffectLimitExceeded) => {
                self.ctx.quota.record_limit_hit(LimitKind::Effects);
                bail!("{}", EffectLimitExceeded::TEXT)
            }
        }
    }

    /// Drops the effects of the event that trapped. Those of the events before it in the same batch stay.
    pub(crate) fn drop_unended_effects(&mut self) {
        self.effects.drop_unended();
    }

    /// Takes the effects of the call and resets what it has queued.
    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        self.connections.reset_call();
        self.room.iter_mut().for_each(|room| room.reset_call());
        self.effects.take()
    }
}

fn new_wasi_state(ctx: &Arc<VersionContext>) -> Box<Mutex<WasiState>> {
    Box::new(Mutex::new(WasiState::new(ctx)))
}

#[cfg(test)]
mod tests;
