//! What a version has done so far: its events, its faults and its clients.

mod client_tracker;
mod version_stats;

pub use client_tracker::ClientCount;
pub(crate) use client_tracker::{ClientSlot, ClientTracker};
pub use version_stats::{EventCounts, FaultKind, VersionStats};
