//! Where guests run, and the clock that charges and stops them.

mod compute_permit;
mod cpu_meter;
mod dedicated_thread;
mod execution_mode_state;
mod guest_thread_pool;
mod io_driver_waker;
mod thread_priority;
mod ticker;

pub(crate) use compute_permit::release_permit_while;
pub(crate) use cpu_meter::CpuMeter;
pub use dedicated_thread::run_on_dedicated_thread;
pub(crate) use execution_mode_state::ExecutionModeState;
pub use guest_thread_pool::{GuestExecutor, GuestThreadPool};
pub(crate) use io_driver_waker::IoDriverWaker;
pub(crate) use thread_priority::lower_thread_priority;
pub(crate) use ticker::{TICK, Ticker, TickerGuard};
