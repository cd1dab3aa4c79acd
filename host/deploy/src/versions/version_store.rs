//! The folder with the versions of all plugins of a host.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::plugin_version_store::PluginVersionStore;
use super::private_folder;
use super::runtime_folder::RuntimeFolder;
use super::store_error::StoreError;
use narrowboat_core::name::Tenant;
use narrowboat_runtime::RuntimeImage;

/// The folder with the versions of all plugins of a host. A lock keeps other hosts out.
#[derive(Debug)]
pub struct VersionStore {
    folder: PathBuf,
    runtimes: Arc<RuntimeFolder>,
    /// The number of versions that each plugin keeps.
    keep_count: usize,
    /// The stores in use, by their folders. A plugin has at most one store at a time, so that changes are serialized.
    plugin_stores: Mutex<HashMap<PathBuf, Weak<PluginVersionStore>>>,
    /// The lock file. The lock lasts until this is closed.
    _lock: File,
}

impl VersionStore {
    /// Opens a folder, and creates it if it does not exist. Each plugin keeps `keep_count` versions in it.
    ///
    /// # Errors
    /// When the folder cannot be created, other users can write to it, or another host uses it.
    pub fn open(folder: &Path, keep_count: usize) -> Result<Self, StoreError> {
        private_folder::create(folder)?;
        let path = folder.join("lock");
        let system = |source| StoreError::System { path: path.clone(), source };
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(system)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self {
                folder: folder.to_owned(),
                runtimes: Arc::new(RuntimeFolder::open(folder)?),
                keep_count,
                plugin_stores: Mutex::default(),
                _lock: lock,
            }),
            Err(Errno::WOULDBLOCK) => Err(StoreError::InUse(folder.to_owned())),
            Err(error) => Err(system(error.into())),
        }
    }

    /// The runtimes that kept versions of source plugins have run on.
    pub fn runtimes(&self) -> Vec<RuntimeImage> {
        self.runtimes.images()
    }

    /// Returns the versions of a tenant's plugin. All callers share one store while it is in use.
    ///
    /// # Errors
    /// When the plugin's folder cannot be created or read.
    pub fn plugin_store(
        &self,
        tenant: &Tenant,
        plugin: &str,
    ) -> Result<Arc<PluginVersionStore>, StoreError> {
        let mut folder = self.folder.clone();
        if !tenant.is_default() {
            // The names of plugins do not contain `@`.
            folder.push(format!("@{tenant}"));
            private_folder::create(&folder)?;
        }
        folder.push(plugin);
        private_folder::create(&folder)?;
        let mut stores = self.plugin_stores.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = stores.get(&folder).and_then(Weak::upgrade) {
            return Ok(store);
        }
        stores.retain(|_, store| store.strong_count() > 0);
        let store = PluginVersionStore::open(folder.clone(), &self.runtimes, self.keep_count);
        let store = store.map_err(|source| StoreError::System { path: folder.clone(), source })?;
        let store = Arc::new(store);
        stores.insert(folder, Arc::downgrade(&store));
        Ok(store)
    }
}
