//! Measures how long a call runs, and stops a call that runs for too long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::instance_limits::InstanceLimits;
use super::phase::Phase;
use crate::scheduling::{CpuMeter, ExecutionModeState, IoDriverWaker, TICK};
use narrowboat_core::component::Role;

/// How long the running call has run, in ticks that found it running.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    ticks: u32,
    tick_limit: u32,
    phase: Phase,
    /// Whether an import of the call has waited for a tick or longer.
    has_waited: bool,
    role: Role,
    io_driver_waker: Arc<IoDriverWaker>,
    cpu_meter: CpuMeter,
}

/// The call ran past its time limit.
#[derive(Debug, thiserror::Error)]
#[error("the call ran past its time limit")]
pub(crate) struct OutOfTime;

impl Stopwatch {
    pub(super) fn new(
        limits: &InstanceLimits,
        role: Role,
        io_driver_waker: Arc<IoDriverWaker>,
    ) -> Self {
        let phase = Phase::Run;
        Self {
            ticks: 0,
            tick_limit: tick_limit(limits, role, phase),
            phase,
            has_waited: false,
            role,
            io_driver_waker,
            cpu_meter: CpuMeter::WallClock(Instant::now()),
        }
    }

    /// The role in which the guest runs.
    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// The phase of the instance.
    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// Sets the phase of the next calls.
    pub(crate) fn set_phase(&mut self, limits: &InstanceLimits, phase: Phase) {
        self.phase = phase;
        self.tick_limit = tick_limit(limits, self.role, phase);
    }

    /// The time that the running call may take, and the part of it that is left.
    pub(crate) fn call_time(&self) -> (Duration, Duration) {
        let left = self.tick_limit.saturating_sub(self.ticks);
        (TICK * self.tick_limit, TICK * left)
    }

    pub(super) fn restart(&mut self, now: Instant, may_wait_on_io: bool) {
        self.ticks = 0;
        self.has_waited = false;
        self.cpu_meter = CpuMeter::start(now, may_wait_on_io);
    }

    /// Excludes a wait from the running time of the call.
    pub(super) fn exclude_wait(&mut self, waited: Duration) {
        self.cpu_meter.exclude_wait(waited);
        self.has_waited |= waited >= TICK;
    }

    /// Takes the running time that the plugin has not been charged for.
    pub(super) fn take_uncharged(&mut self, now: Instant) -> Duration {
        self.cpu_meter.take_uncharged(now)
    }

    /// Records the length of a call that has ended, which decides where later calls of the version run.
    pub(crate) fn record_call_end(&self, mode: &ExecutionModeState) {
        if self.has_waited {
            mode.record_wait();
        }
        match (self.role, self.phase) {
            (Role::Consumer, Phase::Run) => mode.record_call(self.has_overrun() || self.has_waited),
            // All calls of workers run on guest threads, and the time to load a program says nothing about later calls.
            (Role::Worker, _) | (_, Phase::Load) => {}
        }
    }

    /// Whether a tick found the call running, or the call has waited in an import for that long.
    pub(super) fn has_taken_a_tick(&self) -> bool {
        self.ticks > 0 || self.has_waited
    }

    /// Whether two ticks found the call running. One tick may find a short call too, if the system has suspended its
    /// thread.
    fn has_overrun(&self) -> bool {
        self.ticks > 1
    }

    /// Counts a tick that found the call running.
    ///
    /// # Errors
    /// [`OutOfTime`] if the call has run for too long.
    pub(super) fn record_tick(&mut self, mode: &ExecutionModeState) -> Result<(), OutOfTime> {
        self.ticks += 1;
        self.io_driver_waker.flag_overrun();
        if self.has_overrun() {
            // Recorded during the call, so that further calls do not run on the threads of the sockets.
            self.record_call_end(mode);
        }
        if self.ticks > self.tick_limit { Err(OutOfTime) } else { Ok(()) }
    }
}

fn tick_limit(limits: &InstanceLimits, role: Role, phase: Phase) -> u32 {
    let (_, time) = limits.time_limit(role, phase);
    let ticks = time.as_millis() / TICK.as_millis();
    u32::try_from(ticks).unwrap_or(u32::MAX).max(1)
}
