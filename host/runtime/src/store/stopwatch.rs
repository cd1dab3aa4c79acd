//! The time that a call runs, and its end when it has run for too long.

use std::sync::Arc;
use std::time::Instant;

use wasmtime::{StoreContextMut, UpdateDeadline};

use super::guest_state::GuestState;
use crate::scheduling::CpuMeter;
use crate::scheduling::ExecutionModeState;
use crate::scheduling::IoDriverWaker;
use crate::scheduling::TICK;
use crate::store::InstanceLimits;
use narrowboat_core::component::Role;

/// How long the running call has run, in ticks that found it running.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    ticks: u32,
    tick_limit: u32,
    role: Role,
    io_driver_waker: Arc<IoDriverWaker>,
    pub(crate) cpu_meter: CpuMeter,
}

/// The call ran past its budget.
#[derive(Debug, thiserror::Error)]
#[error("ran past its budget")]
pub(crate) struct OutOfTime;

impl Stopwatch {
    pub(crate) fn new(
        limits: &InstanceLimits,
        role: Role,
        io_driver_waker: Arc<IoDriverWaker>,
    ) -> Self {
        let (_, time) = limits.time_limit(role);
        let ticks = time.as_millis() / TICK.as_millis();
        let tick_limit = u32::try_from(ticks).unwrap_or(u32::MAX).max(1);
        Self {
            ticks: 0,
            tick_limit,
            role,
            io_driver_waker,
            cpu_meter: CpuMeter::WallClock(Instant::now()),
        }
    }

    /// What the guest is run as.
    pub(crate) fn role(&self) -> Role {
        self.role
    }

    pub(crate) fn restart(&mut self, now: Instant, may_wait_on_io: bool) {
        self.ticks = 0;
        self.cpu_meter = CpuMeter::start(now, may_wait_on_io);
    }

    /// Notes in which lane the version belongs when a call has ended.
    pub(crate) fn record_call_end(&self, lane: &ExecutionModeState) {
        match self.role {
            Role::Consumer => lane.record_call(self.has_overrun()),
            // Its calls are on guest threads, however long they are.
            Role::Worker => {}
        }
    }

    /// Whether two ticks found the call running. One finds a short call too, when the system took
    /// its thread away for so long.
    fn has_overrun(&self) -> bool {
        self.ticks > 1
    }

    /// Called by each tick that finds the guest running: a guest that the system did not let run
    /// is not charged for the ticks it missed.
    pub(crate) fn on_tick(
        mut store: StoreContextMut<'_, GuestState>,
    ) -> wasmtime::Result<UpdateDeadline> {
        let state = store.data_mut();
        state.charge_cpu_time(Instant::now());
        if state.wasi_mut().is_some_and(|outside| outside.wait_budget.exclude_tick()) {
            return Ok(UpdateDeadline::Continue(1));
        }
        let GuestState { stopwatch, ctx: around, .. } = state;
        stopwatch.ticks += 1;
        stopwatch.io_driver_waker.flag_overrun();
        if stopwatch.has_overrun() {
            // Now, so that further calls do not follow this one onto the sockets' threads.
            stopwatch.record_call_end(&around.execution_mode);
        }
        if stopwatch.ticks > stopwatch.tick_limit {
            return Err(OutOfTime.into());
        }
        Ok(UpdateDeadline::Continue(1))
    }
}
