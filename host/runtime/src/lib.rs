//! Guests: the only place that knows WebAssembly. A call goes in with an event and comes back with
//! effects.

mod bindings;
mod build;
mod cache;
mod call;
mod client_tracker;
mod compat;
mod cpu_meter;
mod effects;
mod engine;
mod guest_threads;
mod imports;
mod instance;
mod io_driver_waker;
mod limits;
mod loader;
mod log_limiter;
mod migration;
mod plugin;
mod snapshot;
mod state;
mod store;
mod ticker;
mod version;
mod version_stats;
mod wasi_state;
mod worker;

pub use build::Build;
pub use cache::CodeCache;
pub use call::{Call, ConnectionId, GuestReply};
pub use client_tracker::ClientCount;
pub use compat::Incompatibility;
pub use effects::Effect;
pub use engine::{Engine, EngineError, PoolUsage};
pub use guest_threads::{GuestExecutor, GuestThreadPool, run_on_dedicated_thread};
pub use instance::Instance;
pub use loader::{Candidate, LoadError, Loader, requested_capabilities};
pub use migration::{
    Migration, MigrationError, MigrationStats, PreSnapshots, RollbackSnapshot, StateSource,
    migrate, restart_consumers,
};
pub use narrowboat_core::sha256_digest::Sha256Digest;
pub use plugin::Plugin;
pub use snapshot::{GuestSnapshot, TrialState};
pub use version::{Version, VersionError, VersionUsage};
pub use version_stats::{EventCounts, FaultKind, VersionStats};
pub use worker::WorkerInstance;
