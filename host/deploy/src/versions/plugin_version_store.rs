//! The versions of one plugin: their bytes, and a file that says what became of them.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use thiserror::Error;

use super::private_folder;
use super::version_index::VersionIndex;
use super::version_record::{VersionRecord, VersionState};
use narrowboat_config::signature::{self, MissingSignature, Signature};
use narrowboat_core::atomic_file;
use narrowboat_runtime::{Build, Sha256Digest};

/// The file that says what became of each version.
const INDEX_FILE: &str = "versions.json";

/// Bytes of a reason that are kept.
const MAX_REASON_BYTES: usize = 1_000;

/// The versions of one plugin. Each change is on the disk when its method returns: not for async
/// threads. Several threads may change it: one of them does at a time, from the first byte to the last.
#[derive(Debug)]
pub struct PluginVersionStore {
    folder: PathBuf,
    keep_count: usize,
    /// Whoever writes to the folder holds this: bytes, what is known of them, and the removal of bytes of which nothing is
    /// known are one change.
    write_lock: Mutex<()>,
    /// Changed while `writing` is held, and never locked while the disk is waited for.
    index: Mutex<VersionIndex>,
}

/// Why a version cannot be kept or had.
#[derive(Debug, Error)]
pub enum PluginVersionStoreError {
    /// The system refused to write.
    #[error("it cannot be kept: {0}")]
    Write(io::Error),
    /// There is none.
    #[error("there is no version {0}; `narrowboat versions` lists those there are")]
    Unknown(Sha256Digest),
    /// Its bytes are gone, or others.
    #[error("the bytes of version {0} are gone or damaged")]
    Damaged(Sha256Digest),
}

/// The turn of a thread that changes what is kept. Only it has the methods that write.
struct VersionStoreWriter<'a> {
    store: &'a PluginVersionStore,
    _guard: MutexGuard<'a, ()>,
}

impl PluginVersionStore {
    /// Opens a folder that no other shelf has open.
    pub(super) fn open(folder: PathBuf, keep: usize) -> io::Result<Self> {
        let index = match std::fs::read(folder.join(INDEX_FILE)) {
            Ok(bytes) => VersionIndex::parse(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => VersionIndex::default(),
            Err(error) => return Err(error),
        };
        let shelf =
            Self { folder, keep_count: keep, write_lock: Mutex::new(()), index: Mutex::new(index) };
        // What a crash left half done.
        shelf.writer().remove_orphans(true);
        Ok(shelf)
    }

    /// The versions, the newest first.
    pub fn list(&self) -> Vec<VersionRecord> {
        self.index().versions.iter().rev().cloned().collect()
    }

    /// The version that is live.
    pub fn live(&self) -> Option<VersionRecord> {
        self.index().find_by_state(VersionState::Live)
    }

    /// The version that was live before.
    pub fn previous(&self) -> Option<VersionRecord> {
        self.index().find_by_state(VersionState::Previous)
    }

    /// The versions that were rolled back.
    pub fn rolled_back(&self) -> Vec<Sha256Digest> {
        let index = self.index();
        let back = index.versions.iter().filter(|record| record.state == VersionState::RolledBack);
        back.map(|record| record.version).collect()
    }

    /// Whether the component's file says nothing new: it holds what it held when it was last looked at.
    pub fn is_known_source_hash(&self, file: Sha256Digest) -> bool {
        self.index().file == Some(file)
    }

    /// What became of a version, if that is known.
    pub fn state(&self, version: Sha256Digest) -> Option<VersionState> {
        self.index().state(version)
    }

    /// The version that was offered last of those that wait for an approval.
    pub fn pending(&self) -> Option<VersionRecord> {
        let index = self.index();
        index.versions.iter().rfind(|record| record.state == VersionState::Pending).cloned()
    }

    /// Whether a version may have the capabilities that it requests: it has served, or somebody has approved it.
    pub fn is_preapproved(&self, version: Sha256Digest) -> bool {
        self.index().find_version(version).is_some_and(VersionRecord::is_preapproved)
    }

    /// Whether a version waits for an approval.
    pub fn is_awaiting_approval(&self, version: Sha256Digest) -> bool {
        self.state(version).is_some_and(VersionState::is_awaiting_approval)
    }

    /// Notes what the component's file holds.
    ///
    /// # Errors
    /// When that cannot be written; nothing has changed then.
    pub fn record_source_hash(&self, file: Sha256Digest) -> Result<(), PluginVersionStoreError> {
        self.writer().update_index(|index| index.file = Some(file))
    }

    /// Keeps a version that is about to be published.
    ///
    /// # Errors
    /// When there is no room; nothing has changed then.
    pub fn store(&self, build: &Build, by: &str) -> Result<(), PluginVersionStoreError> {
        self.writer().store_and_update(build, |index, keep| {
            insert_kept(index, build, by);
            index.prune(keep);
        })
    }

    /// Keeps a version that requests more capabilities than the live one until somebody approves, and notes what the component's file
    /// holds if the version comes from it.
    ///
    /// # Errors
    /// When there is no room; nothing has changed then.
    pub fn store_pending(
        &self,
        build: &Build,
        by: &str,
        asks_more: Vec<String>,
        file: Option<Sha256Digest>,
    ) -> Result<(), PluginVersionStoreError> {
        self.writer().store_and_update(build, |index, keep| {
            index.file = file.or(index.file);
            index.insert(VersionRecord {
                state: VersionState::Pending,
                extra_capabilities: asks_more,
                ..new_record(build, by)
            });
            index.prune(keep);
        })
    }

    /// Keeps a version that somebody has approved and that is about to be published.
    ///
    /// # Errors
    /// When there is no room; nothing has changed then.
    pub fn store_approved(&self, build: &Build, by: &str) -> Result<(), PluginVersionStoreError> {
        self.writer().store_and_update(build, |index, keep| {
            let offered_by =
                index.find_version(build.digest()).map(|record| record.deployed_by.clone());
            insert_kept(index, build, offered_by.as_deref().unwrap_or(by));
            for record in index.versions.iter_mut().filter(|it| it.version == build.digest()) {
                record.approved_by = Some(by.to_owned());
            }
            index.prune(keep);
        })
    }

    /// Keeps what the component's file holds, and notes that it is live: one change, so that after a crash the host serves
    /// the version that the file says or the one before, as the records say.
    ///
    /// # Errors
    /// When there is no room; nothing has changed then.
    pub fn publish_file(&self, build: &Build) -> Result<(), PluginVersionStoreError> {
        let version = build.digest();
        let writer = self.writer();
        if self.state(version) == Some(VersionState::Live) && self.is_known_source_hash(version) {
            // It may have been signed since.
            return writer.write_signature(build);
        }
        writer.store_and_update(build, |index, keep| {
            index.file = Some(version);
            if index.state(version) != Some(VersionState::Live) {
                insert_kept(index, build, "file");
                index.publish(version);
            }
            index.prune(keep);
        })
    }

    /// Notes that a version is live now, and what the component's file holds if the version comes from it. Versions that
    /// wait for an approval are superseded.
    ///
    /// # Errors
    /// When that cannot be written; nothing has changed then.
    pub fn record_published(
        &self,
        version: Sha256Digest,
        file: Option<Sha256Digest>,
    ) -> Result<(), PluginVersionStoreError> {
        self.writer().update_index(|index| {
            index.file = file.or(index.file);
            index.publish(version);
        })
    }

    /// Notes that a version was not taken, and keeps no bytes of it. Notes what the component's file holds if the version
    /// comes from it.
    ///
    /// # Errors
    /// When that cannot be written; nothing has changed then.
    pub fn record_refused(
        &self,
        build: &Build,
        by: &str,
        why: &str,
        file: Option<Sha256Digest>,
    ) -> Result<(), PluginVersionStoreError> {
        self.writer().update_index(|index| {
            index.file = file.or(index.file);
            if index.state(build.digest()).is_some_and(VersionState::has_bytes) {
                // An older version that could not come back stays one that was live once.
                return;
            }
            let reason = Some(truncate_reason(why));
            index.insert(VersionRecord {
                state: VersionState::Refused,
                reason,
                ..new_record(build, by)
            });
            index.prune(self.keep_count);
        })
    }

    /// Notes what became of a version that failed, and that another is live again.
    ///
    /// # Errors
    /// When that cannot be written; nothing has changed then.
    pub fn record_failure(
        &self,
        version: Sha256Digest,
        state: VersionState,
        live: Sha256Digest,
        why: &str,
    ) -> Result<(), PluginVersionStoreError> {
        self.writer().update_index(|index| {
            index.set_state(version, state, Some(truncate_reason(why)));
            index.set_state(live, VersionState::Live, None);
        })
    }

    /// The bytes of a version, and the signature that was kept with them.
    ///
    /// # Errors
    /// When they are not there, or are others than they were.
    pub fn load_build(&self, version: Sha256Digest) -> Result<Build, PluginVersionStoreError> {
        match self.state(version) {
            Some(state) if state.has_bytes() => {}
            _ => return Err(PluginVersionStoreError::Unknown(version)),
        }
        self.read_build(version)
    }

    fn read_build(&self, version: Sha256Digest) -> Result<Build, PluginVersionStoreError> {
        let bytes = std::fs::read(self.folder.join(file_name(version)));
        let bytes = bytes.map_err(|_| PluginVersionStoreError::Damaged(version))?;
        let build = Build::new(bytes, self.read_signature(version));
        if build.digest() == version {
            Ok(build)
        } else {
            Err(PluginVersionStoreError::Damaged(version))
        }
    }

    fn read_signature(&self, version: Sha256Digest) -> Result<Signature, MissingSignature> {
        Signature::read_beside(&self.folder.join(file_name(version))).map_err(|error| match error {
            MissingSignature::FileNotFound(_) => MissingSignature::NotInStore,
            error => error,
        })
    }

    fn writer(&self) -> VersionStoreWriter<'_> {
        // Every change is whole on the disk before the index has it, so a poisoned turn left nothing half done.
        let turn = self.write_lock.lock().unwrap_or_else(PoisonError::into_inner);
        VersionStoreWriter { store: self, _guard: turn }
    }

    fn index(&self) -> MutexGuard<'_, VersionIndex> {
        // It is replaced in one step, so a poisoned one is still whole.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl VersionStoreWriter<'_> {
    /// Keeps the bytes of a version, then what is to be known of it, then removes what that supersedes.
    fn store_and_update(
        &self,
        build: &Build,
        change: impl FnOnce(&mut VersionIndex, usize),
    ) -> Result<(), PluginVersionStoreError> {
        let stored = self.write_build(build);
        let kept =
            stored.and_then(|()| self.update_index(|index| change(index, self.store.keep_count)));
        self.remove_orphans(false);
        kept
    }

    fn write_build(&self, build: &Build) -> Result<(), PluginVersionStoreError> {
        let version = build.digest();
        if self.store.read_build(version).is_err() {
            private_folder::write_file(&self.store.folder, &file_name(version), build.bytes())
                .map_err(PluginVersionStoreError::Write)?;
        }
        self.write_signature(build)
    }

    /// Keeps the signature of a version beside its bytes, if it came with one: where components have to be
    /// signed, it could not come back without.
    fn write_signature(&self, build: &Build) -> Result<(), PluginVersionStoreError> {
        let version = build.digest();
        match build.signature() {
            Some(signature) if self.store.read_signature(version).as_ref() != Ok(signature) => {
                let name = signature_name(version);
                private_folder::write_file(&self.store.folder, &name, signature.bytes())
                    .map_err(PluginVersionStoreError::Write)
            }
            _ => Ok(()),
        }
    }

    /// Changes what is known, on the disk first.
    fn update_index(
        &self,
        change: impl FnOnce(&mut VersionIndex),
    ) -> Result<(), PluginVersionStoreError> {
        let mut changed = self.store.index().clone();
        change(&mut changed);
        let bytes = serde_json::to_vec_pretty(&changed)
            .map_err(|error| PluginVersionStoreError::Write(error.into()))?;
        private_folder::write_file(&self.store.folder, INDEX_FILE, &bytes)
            .map_err(PluginVersionStoreError::Write)?;
        *self.store.index() = changed;
        Ok(())
    }

    /// Removes bytes of which nothing is known any more and their signatures, and where nobody else writes yet, files that
    /// a crash left unfinished.
    fn remove_orphans(&self, unfinished: bool) {
        let known: HashSet<String> = {
            let index = self.store.index();
            index.stored_versions().flat_map(|it| [file_name(it), signature_name(it)]).collect()
        };
        let Ok(entries) = std::fs::read_dir(&self.store.folder) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let is_leftover = unfinished && atomic_file::is_temp_name(name);
            if is_leftover || (is_version_file(&path) && !known.contains(name)) {
                // It is looked for again the next time.
                let _ = std::fs::remove_file(&path);
            }
        }
    }
}

/// Adds a version as the newest; one that serves or served last stays that.
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
        served: false,
    }
}

fn truncate_reason(reason: &str) -> String {
    reason[..reason.floor_char_boundary(MAX_REASON_BYTES)].to_owned()
}

fn file_name(version: Sha256Digest) -> String {
    format!("{version}.wasm")
}

/// Where the signature of a version lies: its bytes are a component's file as any.
fn signature_name(version: Sha256Digest) -> String {
    signature::signature_path(Path::new(&file_name(version))).display().to_string()
}

fn is_version_file(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "wasm" || extension == "sig")
}
