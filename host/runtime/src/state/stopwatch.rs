//! The time that a call runs, and its end when it has run for too long.

use std::sync::Arc;
use std::time::Instant;

use wasmtime::{StoreContextMut, UpdateDeadline};

use super::GuestState;
use crate::lane::LaneState;
use crate::limits::InstanceLimits;
use crate::overrun::Overrun;
use crate::stint::Stint;
use crate::ticker::TICK;
use narrowboat_core::component::Role;

/// How long the running call has run, in ticks that found it running.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    ticks: u32,
    budget: u32,
    role: Role,
    overrun: Arc<Overrun>,
    pub(super) stint: Stint,
}

/// The call ran past its budget.
#[derive(Debug, thiserror::Error)]
#[error("ran past its budget")]
pub(crate) struct OutOfTime;

impl Stopwatch {
    pub(super) fn new(limits: &InstanceLimits, role: Role, overrun: Arc<Overrun>) -> Self {
        let (_, time) = limits.time_of(role);
        let ticks = time.as_millis() / TICK.as_millis();
        let budget = u32::try_from(ticks).unwrap_or(u32::MAX).max(1);
        Self { ticks: 0, budget, role, overrun, stint: Stint::Passed(Instant::now()) }
    }

    /// What the guest is run as.
    pub(crate) fn role(&self) -> Role {
        self.role
    }

    pub(super) fn restart(&mut self, now: Instant, may_wait: bool) {
        self.ticks = 0;
        self.stint = Stint::begin(now, may_wait);
    }

    /// Notes in which lane the version belongs when a call has ended.
    pub(crate) fn note_end(&self, lane: &LaneState) {
        match self.role {
            Role::Consumer => lane.note(self.overran()),
            // Its calls are on guest threads, however long they are.
            Role::Worker => {}
        }
    }

    /// Whether two ticks found the call running. One finds a short call too, when the system took
    /// its thread away for so long.
    fn overran(&self) -> bool {
        self.ticks > 1
    }

    /// Called by each tick that finds the guest running: a guest that the system did not let run
    /// is not charged for the ticks it missed.
    pub(crate) fn tick(
        mut store: StoreContextMut<'_, GuestState>,
    ) -> wasmtime::Result<UpdateDeadline> {
        let state = store.data_mut();
        state.charge(Instant::now());
        if state.held_outside().is_some_and(|outside| outside.patience.forgive_tick()) {
            return Ok(UpdateDeadline::Continue(1));
        }
        let GuestState { stopwatch, around, .. } = state;
        stopwatch.ticks += 1;
        stopwatch.overrun.tell();
        if stopwatch.overran() {
            // Now, so that further calls do not follow this one onto the sockets' threads.
            stopwatch.note_end(&around.lane);
        }
        if stopwatch.ticks > stopwatch.budget {
            return Err(OutOfTime.into());
        }
        Ok(UpdateDeadline::Continue(1))
    }
}
