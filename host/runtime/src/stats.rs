//! The statistics of a version so far: its events, its faults and its clients.

mod address_clients;
mod client_tracker;
mod fault_kind;
mod version_stats;

pub use address_clients::ClientCount;
pub(crate) use client_tracker::{ClientSlot, ClientTracker};
pub use fault_kind::FaultKind;
pub use version_stats::{EventCounts, VersionStats};
