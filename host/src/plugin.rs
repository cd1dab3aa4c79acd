//! Guests: the only place that knows WebAssembly. A call goes in with an event and comes back with
//! effects.

mod bindings;
mod cache;
mod call;
mod effects;
mod engine;
mod hash;
mod imports;
mod instance;
mod lane;
mod limits;
mod loader;
mod overrun;
mod registry;
mod state;
mod ticker;
mod version;

pub use cache::CodeCache;
pub use call::{Call, ConnectionId, Returned};
pub use effects::Effect;
pub use engine::{Engine, EngineError};
pub use hash::Hash;
pub use instance::Instance;
pub use lane::{GuestThreads, Share};
pub use loader::{LoadError, Loader};
pub use registry::{Plugin, Registry};
pub use version::{Version, VersionError};
