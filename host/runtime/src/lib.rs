//! Guests: the only place that knows WebAssembly. A call goes in with an event and comes back with
//! effects.

mod bindings;
mod build;
mod cache;
mod call;
mod clients;
mod effects;
mod engine;
mod fit;
mod imports;
mod instance;
mod lane;
mod limits;
mod live;
mod loader;
mod outside;
mod overrun;
mod saved;
mod state;
mod stint;
mod store;
mod tally;
mod ticker;
mod transfer;
mod version;
mod words;
mod worker;

pub use build::Build;
pub use cache::CodeCache;
pub use call::{Call, ConnectionId, Returned};
pub use clients::ClientCount;
pub use effects::Effect;
pub use engine::{Engine, EngineError, Pool};
pub use fit::Misfit;
pub use instance::Instance;
pub use lane::{GuestThreads, Share, aside};
pub use live::Plugin;
pub use loader::{Candidate, LoadError, Loader, asks};
pub use narrowboat_core::hash::Hash;
pub use saved::{Sample, Saved};
pub use tally::{Count, FaultKind, Tally};
pub use transfer::{Ahead, Left, MoveError, Outcome, Transfer, Way, restart, transfer};
pub use version::{Version, VersionError, VersionUsage};
pub use worker::WorkerInstance;
