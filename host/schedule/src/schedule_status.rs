//! The status of a schedule, for operators.

use std::sync::{Mutex, PoisonError};

use crate::ScheduleCounters;
use crate::run_record::ClaimedRun;
use crate::scheduled_run::RunState;

/// The status of a schedule, which its [`Scheduler`](crate::Scheduler) updates.
#[derive(Debug, Default)]
pub struct ScheduleStatus {
    last_run: Mutex<Option<LastRun>>,
    /// The counts of runs.
    pub counters: ScheduleCounters,
}

/// The last run of a schedule that this host knows of, by whichever host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRun {
    /// The Unix time in seconds at which the run was due.
    pub nominal: i64,
    /// The number of the last attempt, from 1.
    pub attempt: u32,
    /// The state.
    pub state: RunState,
}

impl ScheduleStatus {
    /// The last run that this host knows of.
    pub fn last_run(&self) -> Option<LastRun> {
        self.last_run.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_last_run(&self, run: Option<&ClaimedRun>) {
        let last =
            run.map(|run| LastRun { nominal: run.nominal, attempt: run.attempt, state: run.state });
        *self.last_run.lock().unwrap_or_else(PoisonError::into_inner) = last;
    }
}
