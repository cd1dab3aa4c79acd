//! The versions of plugins on disk. They keep which version is live when the host restarts, and let an older version
//! become live again.
//!
//! ```text
//! VersionStore (the folder of a host)
//! └── PluginVersionStore (one folder for each plugin)
//!     ├── VersionIndex: versions.json, a VersionRecord for each version
//!     └── VersionFolder: HASH.wasm or HASH.narrowboat, and their signatures
//! └── RuntimeFolder: .runtimes/LANGUAGE-HASH.wasm.gz
//! ```

mod plugin_version_store;
mod plugin_version_store_error;
mod private_folder;
mod runtime_folder;
mod store_error;
mod version_folder;
mod version_index;
mod version_record;
mod version_store;

pub use plugin_version_store::PluginVersionStore;
pub use plugin_version_store_error::PluginVersionStoreError;
pub use store_error::StoreError;
pub use version_record::{VersionRecord, VersionState};
pub use version_store::VersionStore;
