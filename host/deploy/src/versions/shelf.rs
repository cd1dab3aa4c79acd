//! The versions of one plugin: their bytes, and a file that says what became of them.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use thiserror::Error;

use super::folder;
use super::index::Index;
use super::record::{Record, State};
use narrowboat_config::signature::{self, Signature, Unsigned};
use narrowboat_core::atomic_file;
use narrowboat_runtime::{Build, Hash};

/// The file that says what became of each version.
const INDEX: &str = "versions.json";

/// Bytes of a reason that are kept.
const REASON: usize = 1_000;

/// The versions of one plugin. Each change is on the disk when its method returns: not for async
/// threads. Several threads may change it: one of them does at a time, from the first byte to the last.
#[derive(Debug)]
pub struct Shelf {
    folder: PathBuf,
    keep: usize,
    /// Whoever writes to the folder holds this: bytes, what is known of them, and the removal of bytes of which nothing is
    /// known are one change.
    writing: Mutex<()>,
    /// Changed while `writing` is held, and never locked while the disk is waited for.
    index: Mutex<Index>,
}

/// Why a version cannot be kept or had.
#[derive(Debug, Error)]
pub enum ShelfError {
    /// The system refused to write.
    #[error("it cannot be kept: {0}")]
    Write(io::Error),
    /// There is none.
    #[error("there is no version {0}; `narrowboat versions` lists those there are")]
    Unknown(Hash),
    /// Its bytes are gone, or others.
    #[error("the bytes of version {0} are gone or damaged")]
    Damaged(Hash),
}

/// The turn of a thread that changes what is kept. Only it has the methods that write.
struct Writer<'a> {
    shelf: &'a Shelf,
    _turn: MutexGuard<'a, ()>,
}

impl Shelf {
    /// Opens a folder that no other shelf has open.
    pub(super) fn open(folder: PathBuf, keep: usize) -> io::Result<Self> {
        let index = match std::fs::read(folder.join(INDEX)) {
            Ok(bytes) => Index::read(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Index::default(),
            Err(error) => return Err(error),
        };
        let shelf = Self { folder, keep, writing: Mutex::new(()), index: Mutex::new(index) };
        // What a crash left half done.
        shelf.writer().sweep(true);
        Ok(shelf)
    }

    /// The versions, the newest first.
    pub fn list(&self) -> Vec<Record> {
        self.index().versions.iter().rev().cloned().collect()
    }

    /// The version that is live.
    pub fn live(&self) -> Option<Record> {
        self.index().find(State::Live)
    }

    /// The version that was live before.
    pub fn previous(&self) -> Option<Record> {
        self.index().find(State::Previous)
    }

    /// The versions that were taken back.
    pub fn taken_back(&self) -> Vec<Hash> {
        let index = self.index();
        let back = index.versions.iter().filter(|record| record.state == State::RolledBack);
        back.map(|record| record.version).collect()
    }

    /// Whether the component's file says nothing new: it holds what it held when it was last looked at.
    pub fn knows_file(&self, file: Hash) -> bool {
        self.index().file == Some(file)
    }

    /// What became of a version, if that is known.
    pub fn state(&self, version: Hash) -> Option<State> {
        self.index().state(version)
    }

    /// The version that was offered last of those that wait for an approval.
    pub fn pending(&self) -> Option<Record> {
        let index = self.index();
        index.versions.iter().rfind(|record| record.state == State::Pending).cloned()
    }

    /// Whether a version may have what it asks for: it has served, or somebody has approved it.
    pub fn is_cleared(&self, version: Hash) -> bool {
        self.index().find_version(version).is_some_and(Record::is_cleared)
    }

    /// Whether a version waits for an approval.
    pub fn is_unapproved(&self, version: Hash) -> bool {
        self.state(version).is_some_and(State::is_unapproved)
    }

    /// Notes what the component's file holds.
    ///
    /// # Errors
    /// When that cannot be written; nothing has changed then.
    pub fn note_file(&self, file: Hash) -> Result<(), ShelfError> {
        self.writer().change(|index| index.file = Some(file))
    }

    /// Keeps a version that is about to be published.
    ///
    /// # Errors
    /// When there is no room; nothing has changed then.
    pub fn keep(&self, build: &Build, by: &str) -> Result<(), ShelfError> {
        self.writer().put(build, |index, keep| {
            put_kept(index, build, by);
            index.forget_old(keep);
        })
    }

    /// Keeps a version that asks for more than the live one until somebody approves, and notes what the component's file
    /// holds if the version comes from it.
    ///
    /// # Errors
    /// When there is no room; nothing has changed then.
    pub fn pend(
        &self,
        build: &Build,
        by: &str,
        asks_more: Vec<String>,
        file: Option<Hash>,
    ) -> Result<(), ShelfError> {
        self.writer().put(build, |index, keep| {
            index.file = file.or(index.file);
            index.put(Record { state: State::Pending, asks_more, ..record(build, by) });
            index.forget_old(keep);
        })
    }

    /// Keeps a version that somebody has approved and that is about to be published.
    ///
    /// # Errors
    /// When there is no room; nothing has changed then.
    pub fn approve(&self, build: &Build, by: &str) -> Result<(), ShelfError> {
        self.writer().put(build, |index, keep| {
            let offered_by = index.find_version(build.digest()).map(|record| record.by.clone());
            put_kept(index, build, offered_by.as_deref().unwrap_or(by));
            for record in index.versions.iter_mut().filter(|it| it.version == build.digest()) {
                record.approved_by = Some(by.to_owned());
            }
            index.forget_old(keep);
        })
    }

    /// Keeps what the component's file holds, and notes that it is live: one change, so that after a crash the host serves
    /// the version that the file says or the one before, as the records say.
    ///
    /// # Errors
    /// When there is no room; nothing has changed then.
    pub fn serve_file(&self, build: &Build) -> Result<(), ShelfError> {
        let version = build.digest();
        let writer = self.writer();
        if self.state(version) == Some(State::Live) && self.knows_file(version) {
            // It may have been signed since.
            return writer.keep_signature(build);
        }
        writer.put(build, |index, keep| {
            index.file = Some(version);
            if index.state(version) != Some(State::Live) {
                put_kept(index, build, "file");
                index.publish(version);
            }
            index.forget_old(keep);
        })
    }

    /// Notes that a version is live now, and what the component's file holds if the version comes from it. Versions that
    /// wait for an approval are superseded.
    ///
    /// # Errors
    /// When that cannot be written; nothing has changed then.
    pub fn publish(&self, version: Hash, file: Option<Hash>) -> Result<(), ShelfError> {
        self.writer().change(|index| {
            index.file = file.or(index.file);
            index.publish(version);
        })
    }

    /// Notes that a version was not taken, and keeps no bytes of it. Notes what the component's file holds if the version
    /// comes from it.
    ///
    /// # Errors
    /// When that cannot be written; nothing has changed then.
    pub fn refuse(
        &self,
        build: &Build,
        by: &str,
        why: &str,
        file: Option<Hash>,
    ) -> Result<(), ShelfError> {
        self.writer().change(|index| {
            index.file = file.or(index.file);
            if index.state(build.digest()).is_some_and(State::has_bytes) {
                // An older version that could not come back stays one that was live once.
                return;
            }
            let reason = Some(shortened(why));
            index.put(Record { state: State::Refused, reason, ..record(build, by) });
            index.forget_old(self.keep);
        })
    }

    /// Notes what became of a version that failed, and that another is live again.
    ///
    /// # Errors
    /// When that cannot be written; nothing has changed then.
    pub fn leave(
        &self,
        version: Hash,
        state: State,
        live: Hash,
        why: &str,
    ) -> Result<(), ShelfError> {
        self.writer().change(|index| {
            index.mark(version, state, Some(shortened(why)));
            index.mark(live, State::Live, None);
        })
    }

    /// The bytes of a version, and the signature that was kept with them.
    ///
    /// # Errors
    /// When they are not there, or are others than they were.
    pub fn build(&self, version: Hash) -> Result<Build, ShelfError> {
        match self.state(version) {
            Some(state) if state.has_bytes() => {}
            _ => return Err(ShelfError::Unknown(version)),
        }
        self.bytes(version)
    }

    fn bytes(&self, version: Hash) -> Result<Build, ShelfError> {
        let bytes = std::fs::read(self.folder.join(file_name(version)));
        let bytes = bytes.map_err(|_| ShelfError::Damaged(version))?;
        let build = Build::new(bytes, self.signature(version));
        if build.digest() == version { Ok(build) } else { Err(ShelfError::Damaged(version)) }
    }

    fn signature(&self, version: Hash) -> Result<Signature, Unsigned> {
        Signature::beside(&self.folder.join(file_name(version))).map_err(|error| match error {
            Unsigned::Missing(_) => Unsigned::Kept,
            error => error,
        })
    }

    fn writer(&self) -> Writer<'_> {
        // Every change is whole on the disk before the index has it, so a poisoned turn left nothing half done.
        let turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        Writer { shelf: self, _turn: turn }
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        // It is replaced in one step, so a poisoned one is still whole.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer<'_> {
    /// Keeps the bytes of a version, then what is to be known of it, then removes what that supersedes.
    fn put(&self, build: &Build, change: impl FnOnce(&mut Index, usize)) -> Result<(), ShelfError> {
        let stored = self.store(build);
        let kept = stored.and_then(|()| self.change(|index| change(index, self.shelf.keep)));
        self.sweep(false);
        kept
    }

    fn store(&self, build: &Build) -> Result<(), ShelfError> {
        let version = build.digest();
        if self.shelf.bytes(version).is_err() {
            folder::write(&self.shelf.folder, &file_name(version), build.bytes())
                .map_err(ShelfError::Write)?;
        }
        self.keep_signature(build)
    }

    /// Keeps the signature of a version beside its bytes, if it came with one: where components have to be
    /// signed, it could not come back without.
    fn keep_signature(&self, build: &Build) -> Result<(), ShelfError> {
        let version = build.digest();
        match build.signature() {
            Some(signature) if self.shelf.signature(version).as_ref() != Ok(signature) => {
                let name = signature_name(version);
                folder::write(&self.shelf.folder, &name, signature.bytes())
                    .map_err(ShelfError::Write)
            }
            _ => Ok(()),
        }
    }

    /// Changes what is known, on the disk first.
    fn change(&self, change: impl FnOnce(&mut Index)) -> Result<(), ShelfError> {
        let mut changed = self.shelf.index().clone();
        change(&mut changed);
        let bytes =
            serde_json::to_vec_pretty(&changed).map_err(|error| ShelfError::Write(error.into()))?;
        folder::write(&self.shelf.folder, INDEX, &bytes).map_err(ShelfError::Write)?;
        *self.shelf.index() = changed;
        Ok(())
    }

    /// Removes bytes of which nothing is known any more and their signatures, and where nobody else writes yet, files that
    /// a crash left unfinished.
    fn sweep(&self, unfinished: bool) {
        let known: HashSet<String> = {
            let index = self.shelf.index();
            index.with_bytes().flat_map(|it| [file_name(it), signature_name(it)]).collect()
        };
        let Ok(entries) = std::fs::read_dir(&self.shelf.folder) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let is_leftover = unfinished && atomic_file::is_temporary(name);
            if is_leftover || (is_of_a_version(&path) && !known.contains(name)) {
                // It is looked for again the next time.
                let _ = std::fs::remove_file(&path);
            }
        }
    }
}

/// Adds a version as the newest; one that serves or served last stays that.
fn put_kept(index: &mut Index, build: &Build, by: &str) {
    let state = match index.state(build.digest()) {
        Some(state @ (State::Live | State::Previous)) => state,
        _ => State::Kept,
    };
    index.put(Record { state, ..record(build, by) });
}

fn record(build: &Build, by: &str) -> Record {
    Record {
        version: build.digest(),
        size: build.bytes().len() as u64,
        by: by.to_owned(),
        at: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        state: State::Kept,
        reason: None,
        asks_more: Vec::new(),
        approved_by: None,
        served: false,
    }
}

fn shortened(reason: &str) -> String {
    reason[..reason.floor_char_boundary(REASON)].to_owned()
}

fn file_name(version: Hash) -> String {
    format!("{version}.wasm")
}

/// Where the signature of a version lies: its bytes are a component's file as any.
fn signature_name(version: Hash) -> String {
    signature::file_beside(Path::new(&file_name(version))).display().to_string()
}

fn is_of_a_version(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "wasm" || extension == "sig")
}
