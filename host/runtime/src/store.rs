//! The data that the store of an instance holds for its guest, and the limits it enforces.

mod guest_state;
mod http_hooks;
mod limits;
mod log_limiter;
mod stopwatch;
mod wasi_state;

pub(crate) use guest_state::{GuestPanic, GuestState, VersionContext};
pub(crate) use limits::{
    InstanceGauges, InstanceLimits, MAX_CORE_ITEMS, MAX_TABLE_ELEMENTS, StoreLimiter,
    UNCOUNTED_MEMORY_BYTES,
};
pub(crate) use log_limiter::{LogDecision, LogLimiter};
pub(crate) use stopwatch::{OutOfTime, Stopwatch};
pub(crate) use wasi_state::{HostServices, SuppressReason, WaitBudget, WaitError, WasiState};
