//! Synchronization primitives of the host: the slots of instances, the wake-up of a connection's task, and
//! gauges with limits.
//!
//! Nothing here depends on the rest of the host, so the loom models in `tests/` run the same code as the host:
//! `cargo test --package narrowboat-sync --features loom`.

#![forbid(unsafe_code)]

mod gauge_limit;
mod handoff_queue;
mod handoff_slot;
mod loan_slot;
mod primitives;
mod wake_mutex;

pub use gauge_limit::{GaugeLimit, GaugeLimitGuards, UNBOUNDED};
pub use handoff_queue::{EventPermit, HandoffQueue};
pub use handoff_slot::{HandoffEntry, HandoffSlot, NextDrainer, ReclaimedContent};
pub use loan_slot::{Loan, LoanSlot, TakenBack};
pub use wake_mutex::{WakeMutex, WakeMutexGuard};
