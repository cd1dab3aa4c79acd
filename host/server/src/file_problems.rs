//! The problems with files that the host reads again while it runs.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The problems with tokens, keys and certificates in files that could not be used the last time. The host goes on with
/// those from before.
#[derive(Debug, Default)]
pub(crate) struct FileProblems(Mutex<BTreeMap<FileKind, Vec<String>>>);

/// The kind of a file, by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FileKind {
    /// Tokens of the admin API.
    Tokens,
    /// Keys that verify tokens of users.
    UserKeys,
    /// Certificates and their keys.
    Certificates,
}

impl FileProblems {
    /// Replaces the problems with the files of a kind.
    pub(crate) fn set(&self, kind: FileKind, problems: Vec<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(kind, problems);
    }

    /// All problems.
    pub(crate) fn all(&self) -> Vec<String> {
        let problems = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        problems.values().flatten().cloned().collect()
    }
}
