//! Schedules of workers: the wall clock, and runs that exactly one of several hosts claims.
//!
//! A [`Scheduler`] waits for the times of a schedule. All hosts share a `RunRecord` of each
//! schedule in the key-value store. A host claims a run by replacing the record, which succeeds for one host only.

mod run_record;
mod schedule_counters;
mod schedule_identity;
mod schedule_services;
mod schedule_status;
mod schedule_store;
mod scheduled_run;
mod scheduler;
mod shared_record;
mod wall_clock;

pub use schedule_counters::ScheduleCounters;
pub use schedule_identity::ScheduleIdentity;
pub use schedule_services::ScheduleServices;
pub use schedule_status::{LastRun, ScheduleStatus};
pub use schedule_store::{KeyvalueScheduleStore, ScheduleStore};
pub use scheduled_run::{RunOutcome, RunState, ScheduledRun};
pub use scheduler::{MAX_ATTEMPTS, START_WINDOW, Scheduler, StartRun};
pub use wall_clock::WallClock;
