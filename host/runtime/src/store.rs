//! The data that the store of an instance holds for its guest, and the limits that it enforces.

mod batch_progress;
mod connection_table;
mod guest_clock;
mod guest_state;
mod host_services;
mod http_hooks;
mod instance_limits;
mod log_limiter;
mod memory_counting;
mod output_buffer;
mod page_faults;
mod phase;
mod restore_reason;
mod room_context;
mod room_link;
mod simulated_wait;
mod stopwatch;
mod store_limiter;
mod suppress_reason;
mod test_host_link;
mod touched_memory;
mod version_context;
mod wait_budget;
mod wasi_state;

pub(crate) use batch_progress::BatchProgress;
pub(crate) use guest_state::{GuestState, TrapReport};
pub(crate) use host_services::HostServices;
pub(crate) use instance_limits::{
    InstanceLimits, MAX_CORE_ITEMS, MAX_TABLE_ELEMENTS, SLOT_RESIDENT_BYTES,
};
pub(crate) use log_limiter::{LogDecision, LogLimiter};
pub(crate) use memory_counting::MemoryCounting;
pub(crate) use output_buffer::{OutputBuffer, STDERR_CONTEXT, STDOUT_CONTEXT};
pub(crate) use phase::Phase;
pub use restore_reason::RestoreReason;
pub(crate) use room_context::RoomContext;
pub use room_link::RoomLink;
pub(crate) use stopwatch::OutOfTime;
pub(crate) use store_limiter::MemoryQuotaExceeded;
pub(crate) use suppress_reason::SuppressReason;
pub use test_host_link::TestHostCall;
pub(crate) use test_host_link::TestHostLink;
pub(crate) use version_context::VersionContext;
pub(crate) use wait_budget::WaitError;
pub(crate) use wasi_state::WasiState;
