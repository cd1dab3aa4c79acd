//! The parts of the host where several threads meet in an order of their own: the slot of a shared instance, what wakes
//! a connection's task, and counters with a bound. They know nothing of the host, so that the models in `tests/` run the
//! very code that the host runs: `cargo test --package narrowboat-sync --features loom`.

#![forbid(unsafe_code)]

mod gauge_limit;
mod handoff_slot;
mod wake_mutex;

pub use gauge_limit::{GaugeLimit, GaugeLimitGuards, UNBOUNDED};
pub use handoff_slot::{EventPermit, HandoffEntry, HandoffSlot, NextDrainer, ReclaimedContent};
pub use wake_mutex::{WakeMutex, WakeMutexGuard};

/// What is modelled: the types of the standard library, or loom's in their place.
pub(crate) mod primitives {
    #[cfg(feature = "loom")]
    pub(crate) use loom::sync::{Mutex, MutexGuard, atomic};
    #[cfg(not(feature = "loom"))]
    pub(crate) use std::sync::{Mutex, MutexGuard, atomic};
}
