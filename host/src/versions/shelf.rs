//! The versions of one plugin: their bytes, and a file that says what became of them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::folder::{self, UNFINISHED};
use super::record::{Record, State};
use crate::plugin::{Build, Hash};
use crate::signature::{self, Signature, Unsigned};

/// The file that says what became of each version.
const INDEX: &str = "versions.json";

/// Refused versions that are remembered; of the others the configuration says how many.
const REFUSED: usize = 20;

/// Bytes of a reason that are kept.
const REASON: usize = 1_000;

/// The versions of one plugin. Each change is on the disk when its method returns: not for async
/// threads.
#[derive(Debug)]
pub struct Shelf {
    folder: PathBuf,
    keep: usize,
    index: Mutex<Index>,
}

/// What the file says.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Index {
    /// What the component's file held when it was last looked at.
    file: Option<Hash>,
    /// The oldest first.
    versions: Vec<Record>,
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

impl Shelf {
    /// Opens a folder.
    pub(super) fn open(folder: PathBuf, keep: usize) -> io::Result<Self> {
        let index = match std::fs::read(folder.join(INDEX)) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Index::default(),
            Err(error) => return Err(error),
        };
        // What a crash left half done.
        let _ = std::fs::remove_file(folder.join(UNFINISHED));
        let shelf = Self { folder, keep, index: Mutex::new(index) };
        shelf.sweep();
        Ok(shelf)
    }

    /// The versions, the newest first.
    pub fn list(&self) -> Vec<Record> {
        self.lock().versions.iter().rev().cloned().collect()
    }

    /// The version that is live.
    pub fn live(&self) -> Option<Record> {
        self.lock().find(State::Live)
    }

    /// The version that was live before.
    pub fn previous(&self) -> Option<Record> {
        self.lock().find(State::Previous)
    }

    /// The versions that were taken back.
    pub fn taken_back(&self) -> Vec<Hash> {
        let index = self.lock();
        let back = index.versions.iter().filter(|record| record.state == State::RolledBack);
        back.map(|record| record.version).collect()
    }

    /// Whether the component's file says nothing new: it holds what it held when it was last looked at.
    pub fn knows_file(&self, file: Hash) -> bool {
        self.lock().file == Some(file)
    }

    /// Notes what the component's file holds.
    ///
    /// # Errors
    /// When that cannot be written; nothing has changed then.
    pub fn note_file(&self, file: Hash) -> Result<(), ShelfError> {
        self.change(|index| index.file = Some(file))
    }

    /// Keeps a version that is about to be published.
    ///
    /// # Errors
    /// When there is no room; nothing has changed then.
    pub fn keep(&self, build: &Build, by: &str) -> Result<(), ShelfError> {
        let version = build.digest();
        self.store(build)?;
        let kept = self.change(|index| {
            let state = match index.state(version) {
                Some(state @ (State::Live | State::Previous)) => state,
                _ => State::Kept,
            };
            index.put(Record { state, ..record(build, by) });
            index.forget_old(self.keep);
        });
        self.sweep();
        kept
    }

    /// Keeps the signature of a version beside its bytes, if it came with one: where components have to be
    /// signed, it could not come back without.
    ///
    /// # Errors
    /// When there is no room; nothing has changed then.
    pub fn keep_signature(&self, build: &Build) -> Result<(), ShelfError> {
        let version = build.digest();
        match build.signature() {
            Some(signature) if self.signature(version).as_ref() != Ok(signature) => {
                let name = signature_name(version);
                folder::write(&self.folder, &name, signature.bytes()).map_err(ShelfError::Write)
            }
            _ => Ok(()),
        }
    }

    /// Keeps a version that asks for more than the live one until somebody approves.
    ///
    /// # Errors
    /// When there is no room; nothing has changed then.
    pub fn pend(&self, build: &Build, by: &str, asks_more: Vec<String>) -> Result<(), ShelfError> {
        self.store(build)?;
        let kept = self.change(|index| {
            index.put(Record { state: State::Pending, asks_more, ..record(build, by) });
            index.forget_old(self.keep);
        });
        self.sweep();
        kept
    }

    /// Keeps a version that somebody has approved and that is about to be published.
    ///
    /// # Errors
    /// When there is no room.
    pub fn approve(&self, build: &Build, by: &str) -> Result<(), ShelfError> {
        let offered_by = self.lock().find_version(build.digest()).map(|record| record.by.clone());
        self.keep(build, offered_by.as_deref().unwrap_or(by))?;
        self.change(|index| {
            for record in index.versions.iter_mut().filter(|it| it.version == build.digest()) {
                record.approved_by = Some(by.to_owned());
            }
        })
    }

    /// The version that was offered last of those that wait for an approval.
    pub fn pending(&self) -> Option<Record> {
        let index = self.lock();
        index.versions.iter().rfind(|record| record.state == State::Pending).cloned()
    }

    /// Whether a version may have what it asks for: it has served, or somebody has approved it.
    pub fn is_cleared(&self, version: Hash) -> bool {
        self.lock().state(version).is_some_and(State::is_cleared)
    }

    /// Whether a version waits for an approval.
    pub fn is_unapproved(&self, version: Hash) -> bool {
        self.lock().state(version).is_some_and(State::is_unapproved)
    }

    /// Notes that a version is live now. What waits for an approval waits no longer for its turn.
    ///
    /// # Errors
    /// When that cannot be written; nothing has changed then.
    pub fn publish(&self, version: Hash) -> Result<(), ShelfError> {
        self.change(|index| {
            if index.state(version) == Some(State::Live) {
                return;
            }
            index.move_all(State::Previous, State::Kept);
            index.move_all(State::Live, State::Previous);
            index.move_all(State::Pending, State::Superseded);
            index.mark(version, State::Live, None);
        })
    }

    /// Notes that a version was not taken, and keeps no bytes of it.
    ///
    /// # Errors
    /// When that cannot be written; nothing has changed then.
    pub fn refuse(&self, build: &Build, by: &str, why: &str) -> Result<(), ShelfError> {
        self.change(|index| {
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
        self.change(|index| {
            index.mark(version, state, Some(shortened(why)));
            index.mark(live, State::Live, None);
        })
    }

    /// The bytes of a version, and the signature that was kept with them.
    ///
    /// # Errors
    /// When they are not there, or are others than they were.
    pub fn build(&self, version: Hash) -> Result<Build, ShelfError> {
        match self.lock().state(version) {
            Some(state) if state.has_bytes() => {}
            _ => return Err(ShelfError::Unknown(version)),
        }
        self.bytes(version)
    }

    fn store(&self, build: &Build) -> Result<(), ShelfError> {
        let version = build.digest();
        if self.bytes(version).is_err() {
            folder::write(&self.folder, &file_name(version), build.bytes())
                .map_err(ShelfError::Write)?;
        }
        self.keep_signature(build)
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

    /// Changes what is known, on the disk first.
    fn change(&self, change: impl FnOnce(&mut Index)) -> Result<(), ShelfError> {
        let mut index = self.lock();
        let mut changed = index.clone();
        change(&mut changed);
        let bytes =
            serde_json::to_vec_pretty(&changed).map_err(|error| ShelfError::Write(error.into()))?;
        folder::write(&self.folder, INDEX, &bytes).map_err(ShelfError::Write)?;
        *index = changed;
        Ok(())
    }

    /// Removes bytes of which nothing is known any more, and their signatures.
    fn sweep(&self) {
        let index = self.lock();
        let known = |name: &str| {
            let with_bytes = index.versions.iter().filter(|record| record.state.has_bytes());
            with_bytes.into_iter().any(|record| {
                file_name(record.version) == name || signature_name(record.version) == name
            })
        };
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if is_of_a_version(&path) && !known(name) {
                // It is looked for again the next time.
                let _ = std::fs::remove_file(&path);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        // Nothing in here panics between two writes, so a poisoned state is still whole.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    fn find(&self, state: State) -> Option<Record> {
        self.versions.iter().find(|record| record.state == state).cloned()
    }

    fn find_version(&self, version: Hash) -> Option<&Record> {
        self.versions.iter().find(|record| record.version == version)
    }

    fn state(&self, version: Hash) -> Option<State> {
        self.find_version(version).map(|record| record.state)
    }

    /// Adds a record as the newest, in the place of an older one of the same version. What was approved stays so.
    fn put(&mut self, mut record: Record) {
        if let Some(older) = self.find_version(record.version) {
            record.approved_by.clone_from(&older.approved_by);
            if record.asks_more.is_empty() {
                record.asks_more.clone_from(&older.asks_more);
            }
        }
        self.versions.retain(|other| other.version != record.version);
        self.versions.push(record);
    }

    fn mark(&mut self, version: Hash, state: State, reason: Option<String>) {
        for record in self.versions.iter_mut().filter(|record| record.version == version) {
            record.state = state;
            record.reason.clone_from(&reason);
        }
    }

    fn move_all(&mut self, from: State, to: State) {
        self.versions
            .iter_mut()
            .filter(|record| record.state == from)
            .for_each(|record| record.state = to);
    }

    /// Forgets the oldest beyond the bounds; never the live one, nor the one before.
    fn forget_old(&mut self, keep: usize) {
        let in_use = |state| matches!(state, State::Live | State::Previous);
        let (mut kept, mut refused) = (0, 0);
        self.versions.reverse();
        self.versions.retain(|record| {
            if in_use(record.state) {
                return true;
            }
            let (count, most) = match record.state.has_bytes() {
                true => (&mut kept, keep.saturating_sub(2)),
                false => (&mut refused, REFUSED),
            };
            *count += 1;
            *count <= most
        });
        self.versions.reverse();
    }
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
