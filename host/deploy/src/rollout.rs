//! Deploys versions of plugins: one task for each plugin changes its live version, one request after the other.
//!
//! The way of a deploy, and the function of each step:
//!
//! ```text
//! Rollout::enqueue                  a request waits in the DeployQueue
//!   RolloutTask::process            the task takes it from the queue
//!     decide_without_loading        already live? file unchanged? rolled back before?   ─▶ Unchanged, Refused
//!     prepare                       while the live version stays in its rollback window
//!       Rollout::check_candidate    compile, check the isolation, compare capabilities,
//!                                   try the state of a running instance                 ─▶ Pending, Refused
//!       Rollout::store_version      keep the bytes on disk                              ─▶ Refused
//!     go_live
//!       publish                     make it the live version, migrate the consumers     ─▶ Live, Refused
//!   log_outcome                     count and log the outcome, and report it to the requester
//!
//! RolloutTask::finish_window        the rollback window ends, or the version failed: roll_back
//! ```
//!
//! If the live version is rolled back during `prepare`, the request starts again at `decide_without_loading`: the version
//! that it was compared with is not live any more.

mod canary_window;
mod change_policy;
mod decision;
mod deploy_counters;
mod deploy_error;
mod deploy_outcome;
mod deploy_queue;
mod deploy_source;
mod error_budget;
mod outcome_log;
mod preparation;
mod publication;
#[expect(clippy::module_inception, reason = "a file has the name of its type")]
mod rollout;
mod rollout_task;

pub use change_policy::ChangePolicy;
pub use deploy_counters::{DeployCounters, DeployCounts};
pub use deploy_error::{DeployError, QueueCloseReason};
pub use deploy_outcome::{DeployOutcome, DeployReport};
pub use deploy_source::DeploySource;
pub use rollout::{LiveVersionGuard, Rollout};
