//! One run of a schedule.

use serde::{Deserialize, Serialize};

/// One run of a schedule, as its worker sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledRun {
    /// The Unix time in seconds at which the run is due.
    pub nominal: i64,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// Whether the run was missed and is made up for.
    pub is_late: bool,
}

/// The end of a worker's call for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunOutcome {
    /// The worker handled the message.
    Succeeded,
    /// The worker failed.
    Failed,
    /// The host stops, and the worker did not get the message.
    NotStarted,
}

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// A host has claimed the run.
    Running,
    /// The worker handled it.
    Succeeded,
    /// The worker failed, and the run is not repeated any more.
    Failed,
}

impl RunState {
    /// The name in the status.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }
}
