//! The versions that plugins have had, kept on disk: which one is live outlives the process, and an
//! older one can come back.

mod folder;
mod index;
mod record;
mod shelf;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use thiserror::Error;

pub use record::{Record, State};
pub use shelf::{Shelf, ShelfError};

use narrowboat_core::name::Tenant;
use narrowboat_core::trust::Untrusted;

/// The folder of one host's versions, held by it alone.
#[derive(Debug)]
pub struct VersionStore {
    folder: PathBuf,
    /// Versions a plugin keeps.
    keep: usize,
    /// The shelves that are in use. A plugin has one of them at a time, whoever changes it.
    shelves: Mutex<HashMap<PathBuf, Weak<Shelf>>>,
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
        source: Untrusted,
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
        folder::make(folder)?;
        let path = folder.join("lock");
        let system = |source| StoreError::System { path: path.clone(), source };
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(system)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                Ok(Self { folder: folder.to_owned(), keep, shelves: Mutex::default(), _lock: lock })
            }
            Err(Errno::WOULDBLOCK) => Err(StoreError::InUse(folder.to_owned())),
            Err(error) => Err(system(error.into())),
        }
    }

    /// The versions of a tenant's plugin. Whoever asks while they are in use gets the same ones.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn shelf(&self, tenant: &Tenant, plugin: &str) -> Result<Arc<Shelf>, StoreError> {
        let mut folder = self.folder.clone();
        if !tenant.is_default() {
            // No plugin's name has an `@`.
            folder.push(format!("@{tenant}"));
            folder::make(&folder)?;
        }
        folder.push(plugin);
        folder::make(&folder)?;
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shelf) = shelves.get(&folder).and_then(Weak::upgrade) {
            return Ok(shelf);
        }
        shelves.retain(|_, shelf| shelf.strong_count() > 0);
        let shelf = Shelf::open(folder.clone(), self.keep);
        let shelf = shelf.map_err(|source| StoreError::System { path: folder.clone(), source })?;
        let shelf = Arc::new(shelf);
        shelves.insert(folder, Arc::downgrade(&shelf));
        Ok(shelf)
    }
}
