//! Workers in the status.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkerInfo {
    /// The tenant of the worker.
    pub tenant: String,
    /// The channel whose messages it takes.
    pub channel: String,
    /// The plugin of the worker.
    pub plugin: String,
    /// The number of messages that this host handles at a time.
    pub instances: u64,
    /// The period of its ticks, or null.
    pub every: Option<String>,
    /// Its schedule, or null.
    pub schedule: Option<ScheduleInfo>,
}

/// The schedule of a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScheduleInfo {
    /// The expression of `cron`.
    pub cron: String,
    /// The time zone.
    pub timezone: String,
    /// Whether a run that failed is repeated.
    pub at_least_once: bool,
    /// Whether the last run that was missed is made up for.
    pub catch_up: bool,
    /// The next time, as RFC 3339 in the time zone, or null.
    pub next_run: Option<String>,
    /// The last run of any host, or null if this host knows of none.
    pub last_run: Option<ScheduledRunInfo>,
    /// The number of runs that were missed, as far as this host has found them since its start.
    pub missed: u64,
}

/// A run of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScheduledRunInfo {
    /// The time at which the run was due, as RFC 3339 in the time zone.
    pub time: String,
    /// The number of the last attempt, from 1.
    pub attempt: u32,
    /// The state: `running`, `succeeded` or `failed`.
    pub state: String,
}
