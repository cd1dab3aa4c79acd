//! Where guests run, and the clock that charges and stops them.

mod cpu_meter;
mod guest_threads;
mod io_driver_waker;
mod ticker;

pub(crate) use cpu_meter::CpuMeter;
pub(crate) use guest_threads::{
    ExecutionModeState, is_guest_thread, lower_thread_priority, release_permit_while,
};
pub use guest_threads::{GuestExecutor, GuestThreadPool, run_on_dedicated_thread};
pub(crate) use io_driver_waker::IoDriverWaker;
pub(crate) use ticker::{TICK, Ticker, TickerGuard};
