//! The stored versions of one plugin: their bytes, and an index of their states.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::plugin_version_store_error::PluginVersionStoreError;
use super::runtime_folder::RuntimeFolder;
use super::version_folder::VersionFolder;
use super::version_index::VersionIndex;
use super::version_record::{VersionRecord, VersionState};
use narrowboat_runtime::{Build, Sha256Digest};

/// The most bytes of a reason that are stored.
const MAX_REASON_BYTES: usize = 1_000;

/// The stored versions of one plugin. Each change is on disk when its method returns, so the methods block: do not call
/// them on an async thread. Several threads may use the store; their changes are serialized.
#[derive(Debug)]
pub struct PluginVersionStore {
    folder: VersionFolder,
    runtimes: Arc<RuntimeFolder>,
    keep_count: usize,
    /// Held during a change: the bytes of a version, its record, and the removal of bytes without a record are one change.
    write_lock: Mutex<()>,
    /// Changed only while `write_lock` is held. Never locked during disk operations.
    index: Mutex<VersionIndex>,
}

/// A change of the store. Only this type has the methods that write, and it holds the write lock.
struct VersionStoreWriter<'a> {
    store: &'a PluginVersionStore,
    _guard: MutexGuard<'a, ()>,
}

impl PluginVersionStore {
    /// Opens a folder that no other store has open. Removes what a crash left unfinished.
    pub(super) fn open(
        folder: PathBuf,
        runtimes: &Arc<RuntimeFolder>,
        keep_count: usize,
    ) -> io::Result<Self> {
        let folder = VersionFolder::new(folder);
        let index = Mutex::new(folder.read_index()?);
        let runtimes = Arc::clone(runtimes);
        let store = Self { folder, runtimes, keep_count, write_lock: Mutex::new(()), index };
        store.writer().remove_orphans(true);
        Ok(store)
    }

    /// Returns the records of all versions, the newest first.
    pub fn list(&self) -> Vec<VersionRecord> {
        self.index().versions.iter().rev().cloned().collect()
    }

    /// Returns the live version.
    pub fn live(&self) -> Option<VersionRecord> {
        self.index().find_by_state(VersionState::Live)
    }

    /// Returns the version that was live before the live one.
    pub fn previous(&self) -> Option<VersionRecord> {
        self.index().find_by_state(VersionState::Previous)
    }

    /// Returns the versions that were rolled back.
    pub fn rolled_back(&self) -> Vec<Sha256Digest> {
        let index = self.index();
        let rolled_back =
            index.versions.iter().filter(|record| record.state == VersionState::RolledBack);
        rolled_back.map(|record| record.version).collect()
    }

    /// Returns the versions that were live before `version`, the oldest first, without those that were rolled back. A version
    /// that is not recorded as the live one is about to be deployed, so that all others are before it.
    pub fn versions_before(&self, version: Sha256Digest) -> Vec<Sha256Digest> {
        let index = self.index();
        let is_live = index.state(version) == Some(VersionState::Live);
        let older =
            index.versions.iter().take_while(|record| !is_live || record.version != version);
        let served = older.filter(|record| {
            record.served && record.version != version && record.state != VersionState::RolledBack
        });
        served.map(|record| record.version).collect()
    }

    /// Whether the plugin's component file held these bytes when the host last read it.
    pub fn is_known_source_hash(&self, hash: Sha256Digest) -> bool {
        self.index().file == Some(hash)
    }

    /// Returns the state of a version, if it has a record.
    pub fn state(&self, version: Sha256Digest) -> Option<VersionState> {
        self.index().state(version)
    }

    /// Returns the pending version that was deployed last.
    pub fn pending(&self) -> Option<VersionRecord> {
        let index = self.index();
        index.versions.iter().rfind(|record| record.state == VersionState::Pending).cloned()
    }

    /// Whether a version may have the capabilities that it requests: it has been live, or it was approved.
    pub fn is_preapproved(&self, version: Sha256Digest) -> bool {
        self.index().find_version(version).is_some_and(VersionRecord::is_preapproved)
    }

    /// Whether a version waits for an approval.
    pub fn is_awaiting_approval(&self, version: Sha256Digest) -> bool {
        self.state(version).is_some_and(VersionState::is_awaiting_approval)
    }

    /// Records the hash of the bytes that the plugin's component file holds.
    ///
    /// # Errors
    /// When the index cannot be written; nothing has changed then.
    pub fn record_source_hash(&self, hash: Sha256Digest) -> Result<(), PluginVersionStoreError> {
        self.writer().update_index(|index| index.file = Some(hash))
    }

    /// Stores a version that is about to be published.
    ///
    /// # Errors
    /// When the version cannot be written; nothing has changed then.
    pub fn store(&self, build: &Build, by: &str) -> Result<(), PluginVersionStoreError> {
        self.writer().store_and_update(build, |index, keep_count| {
            insert_kept(index, build, by);
            index.prune(keep_count);
        })
    }

    /// Stores a version that requests more capabilities than the live one and waits for an approval. `source_hash` is the
    /// hash of the plugin's component file, if it has to be recorded.
    ///
    /// # Errors
    /// When the version cannot be written; nothing has changed then.
    pub fn store_pending(
        &self,
        build: &Build,
        by: &str,
        extra_capabilities: Vec<String>,
        source_hash: Option<Sha256Digest>,
    ) -> Result<(), PluginVersionStoreError> {
        self.writer().store_and_update(build, |index, keep_count| {
            index.file = source_hash.or(index.file);
            index.insert(VersionRecord {
                state: VersionState::Pending,
                extra_capabilities,
                ..new_record(build, by)
            });
            index.prune(keep_count);
        })
    }

    /// Stores a version that was approved and is about to be published. `by` is the name of the token that approved it.
    ///
    /// # Errors
    /// When the version cannot be written; nothing has changed then.
    pub fn store_approved(&self, build: &Build, by: &str) -> Result<(), PluginVersionStoreError> {
        self.writer().store_and_update(build, |index, keep_count| {
            let deployed_by =
                index.find_version(build.digest()).map(|record| record.deployed_by.clone());
            insert_kept(index, build, deployed_by.as_deref().unwrap_or(by));
            for record in index.versions.iter_mut().filter(|it| it.version == build.digest()) {
                record.approved_by = Some(by.to_owned());
            }
            index.prune(keep_count);
        })
    }

    /// Stores the version of the plugin's component file, and records that it is live. Both are one change, so that the
    /// records are right after a crash.
    ///
    /// # Errors
    /// When the version cannot be written; nothing has changed then.
    pub fn publish_file(&self, build: &Build) -> Result<(), PluginVersionStoreError> {
        let version = build.digest();
        let writer = self.writer();
        if self.state(version) == Some(VersionState::Live) && self.is_known_source_hash(version) {
            // The file may have been signed since.
            return self.folder.write_signature(build);
        }
        writer.store_and_update(build, |index, keep_count| {
            index.file = Some(version);
            if index.state(version) != Some(VersionState::Live) {
                insert_kept(index, build, "file");
                index.publish(version);
            }
            index.prune(keep_count);
        })
    }

    /// Records that a version is live, and `source_hash` if there is one. Pending versions become superseded.
    ///
    /// # Errors
    /// When the index cannot be written; nothing has changed then.
    pub fn record_published(
        &self,
        version: Sha256Digest,
        source_hash: Option<Sha256Digest>,
    ) -> Result<(), PluginVersionStoreError> {
        self.writer().update_index(|index| {
            index.file = source_hash.or(index.file);
            index.publish(version);
        })
    }

    /// Records that a version was refused, and `source_hash` if there is one. The bytes of the version are not stored.
    ///
    /// # Errors
    /// When the index cannot be written; nothing has changed then.
    pub fn record_refused(
        &self,
        build: &Build,
        by: &str,
        reason: &str,
        source_hash: Option<Sha256Digest>,
    ) -> Result<(), PluginVersionStoreError> {
        self.writer().update_index(|index| {
            index.file = source_hash.or(index.file);
            if index.state(build.digest()).is_some_and(VersionState::has_bytes) {
                // The failed rollback to an older version does not change the record of that version.
                return;
            }
            let reason = Some(truncate_reason(reason));
            index.insert(VersionRecord {
                state: VersionState::Refused,
                reason,
                ..new_record(build, by)
            });
            index.prune(self.keep_count);
        })
    }

    /// Records the state of a version that failed, and that the version `live` is live again.
    ///
    /// # Errors
    /// When the index cannot be written; nothing has changed then.
    pub fn record_failure(
        &self,
        version: Sha256Digest,
        state: VersionState,
        live: Sha256Digest,
        reason: &str,
    ) -> Result<(), PluginVersionStoreError> {
        self.writer().update_index(|index| {
            index.set_state(version, state, Some(truncate_reason(reason)));
            index.set_state(live, VersionState::Live, None);
        })
    }

    /// Loads the bytes of a version and their signature.
    ///
    /// # Errors
    /// When the version is not stored, or its bytes are missing or have changed.
    pub fn load_build(&self, version: Sha256Digest) -> Result<Build, PluginVersionStoreError> {
        match self.index().find_version(version).cloned() {
            Some(record) if record.state.has_bytes() => {
                let build = self.folder.read_build(version)?;
                Ok(build.on_earlier_runtime(record.runtime))
            }
            _ => Err(PluginVersionStoreError::Unknown(version)),
        }
    }

    fn writer(&self) -> VersionStoreWriter<'_> {
        // A change is complete on disk before the index has it, so a panic leaves nothing half done.
        let guard = self.write_lock.lock().unwrap_or_else(PoisonError::into_inner);
        VersionStoreWriter { store: self, _guard: guard }
    }

    fn index(&self) -> MutexGuard<'_, VersionIndex> {
        // The index is replaced in one step, so it is consistent after a panic.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl VersionStoreWriter<'_> {
    /// Writes the bytes of a version, then its record, then removes bytes that have no record any more. `change` gets the
    /// index and the number of versions to keep.
    fn store_and_update(
        &self,
        build: &Build,
        change: impl FnOnce(&mut VersionIndex, usize),
    ) -> Result<(), PluginVersionStoreError> {
        let keep = |image| self.store.runtimes.keep(image).map_err(PluginVersionStoreError::Write);
        let kept = build.runtime_image().map_or(Ok(()), keep);
        let written = kept.and_then(|()| self.store.folder.write_build(build));
        let stored =
            written.and_then(|()| self.update_index(|index| change(index, self.store.keep_count)));
        self.remove_orphans(false);
        stored
    }

    /// Changes the index, first on disk and then in memory.
    fn update_index(
        &self,
        change: impl FnOnce(&mut VersionIndex),
    ) -> Result<(), PluginVersionStoreError> {
        let mut changed = self.store.index().clone();
        change(&mut changed);
        self.store.folder.write_index(&changed)?;
        *self.store.index() = changed;
        Ok(())
    }

    /// Removes bytes and signatures of versions without a record, and, with `unfinished`, files that a crash left
    /// unfinished.
    fn remove_orphans(&self, unfinished: bool) {
        let stored: Vec<_> = self.store.index().stored_versions().collect();
        self.store.folder.remove_orphans(&stored, unfinished);
    }
}

/// Adds a version as the newest. The live and the previous version keep their states.
fn insert_kept(index: &mut VersionIndex, build: &Build, by: &str) {
    let state = match index.state(build.digest()) {
        Some(state @ (VersionState::Live | VersionState::Previous)) => state,
        _ => VersionState::Kept,
    };
    index.insert(VersionRecord { state, ..new_record(build, by) });
}

fn new_record(build: &Build, by: &str) -> VersionRecord {
    VersionRecord {
        version: build.digest(),
        size: build.bytes().len() as u64,
        deployed_by: by.to_owned(),
        deployed_at: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        state: VersionState::Kept,
        reason: None,
        extra_capabilities: Vec::new(),
        approved_by: None,
        runtime: build.runtime_image().map(|image| image.digest),
        served: false,
    }
}

fn truncate_reason(reason: &str) -> String {
    reason[..reason.floor_char_boundary(MAX_REASON_BYTES)].to_owned()
}
