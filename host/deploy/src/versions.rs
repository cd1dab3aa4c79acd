//! The versions that plugins have had, kept on disk: which one is live outlives the process, and an
//! older one can come back.

mod plugin_version_store;
mod private_folder;
mod version_index;
mod version_record;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use thiserror::Error;

pub use plugin_version_store::{PluginVersionStore, PluginVersionStoreError};
pub use version_record::{VersionRecord, VersionState};

use narrowboat_core::fs_ownership::OwnershipError;
use narrowboat_core::name::Tenant;

/// The folder of one host's versions, held by it alone.
#[derive(Debug)]
pub struct VersionStore {
    folder: PathBuf,
    /// Versions a plugin keeps.
    keep_count: usize,
    /// The shelves that are in use. A plugin has one of them at a time, whoever changes it.
    plugin_stores: Mutex<HashMap<PathBuf, Weak<PluginVersionStore>>>,
    /// Locked as long as it is open.
    _lock: File,
}

/// Why versions cannot be kept.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The system refused something.
    #[error("{}: {source}; [versions] folder may name another", path.display())]
    System {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Whoever can write there decides what is live.
    #[error("{} {source}; [versions] folder may name another", path.display())]
    Untrusted {
        /// Where.
        path: PathBuf,
        /// Whom it is open to.
        source: OwnershipError,
    },
    /// Another host uses it.
    #[error(
        "{} is in use by another host; [versions] folder may name another for this one",
        .0.display()
    )]
    InUse(PathBuf),
}

impl VersionStore {
    /// Opens a folder, making it if there is none, in which each plugin keeps so many versions.
    ///
    /// # Errors
    /// When it cannot be made, trusted or had alone.
    pub fn open(folder: &Path, keep: usize) -> Result<Self, StoreError> {
        private_folder::create(folder)?;
        let path = folder.join("lock");
        let system = |source| StoreError::System { path: path.clone(), source };
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(system)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self {
                folder: folder.to_owned(),
                keep_count: keep,
                plugin_stores: Mutex::default(),
                _lock: lock,
            }),
            Err(Errno::WOULDBLOCK) => Err(StoreError::InUse(folder.to_owned())),
            Err(error) => Err(system(error.into())),
        }
    }

    /// The versions of a tenant's plugin. Whoever asks while they are in use gets the same ones.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn plugin_store(
        &self,
        tenant: &Tenant,
        plugin: &str,
    ) -> Result<Arc<PluginVersionStore>, StoreError> {
        let mut folder = self.folder.clone();
        if !tenant.is_default() {
            // No plugin's name has an `@`.
            folder.push(format!("@{tenant}"));
            private_folder::create(&folder)?;
        }
        folder.push(plugin);
        private_folder::create(&folder)?;
        let mut shelves = self.plugin_stores.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shelf) = shelves.get(&folder).and_then(Weak::upgrade) {
            return Ok(shelf);
        }
        shelves.retain(|_, shelf| shelf.strong_count() > 0);
        let shelf = PluginVersionStore::open(folder.clone(), self.keep_count);
        let shelf = shelf.map_err(|source| StoreError::System { path: folder.clone(), source })?;
        let shelf = Arc::new(shelf);
        shelves.insert(folder, Arc::downgrade(&shelf));
        Ok(shelf)
    }
}
