//! A secret of the configuration, whose value may change while the host runs.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use super::{SecretError, SecretSource, SecretText, secret_reader};

/// A password, key or token. Neither `Debug` nor any error shows its value.
///
/// The value of a secret in the environment or in a file changes when [`SecretStore::refresh`](super::SecretStore::refresh)
/// finds another one, so that code reads it at each use. Two secrets are equal if their sources are; secrets that stand in
/// the file are equal if their values are.
#[derive(Clone)]
pub struct Secret {
    source: SecretSource,
    cell: Arc<SecretCell>,
}

/// The value of a secret, which all its copies share.
#[derive(Default)]
pub(super) struct SecretCell(RwLock<SecretState>);

/// The value of a secret, and the problem of the last attempt to read it.
#[derive(Default)]
struct SecretState {
    /// `None` if secrets are not read.
    value: Option<SecretText>,
    problem: Option<SecretError>,
}

/// The change of a secret that was read again.
pub(super) enum CellChange {
    /// It has another value.
    Changed,
    /// It can be read again, and has the same value.
    Recovered,
    /// It cannot be read since now; the value stays.
    Failed(SecretError),
}

impl Secret {
    pub(super) fn new(source: SecretSource, cell: Arc<SecretCell>) -> Self {
        Self { source, cell }
    }

    /// The value of this moment; empty if the configuration was parsed without its secrets.
    pub fn expose(&self) -> SecretText {
        self.cell.value().unwrap_or_else(|| SecretText::from(String::new()))
    }

    /// The value of this moment; `None` if the configuration was parsed without its secrets.
    pub fn value(&self) -> Option<SecretText> {
        self.cell.value()
    }

    /// Where the secret comes from.
    pub fn source(&self) -> &SecretSource {
        &self.source
    }
}

impl SecretCell {
    pub(super) fn value(&self) -> Option<SecretText> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).value.clone()
    }

    pub(super) fn problem(&self) -> Option<SecretError> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).problem.clone()
    }

    pub(super) fn set(&self, value: SecretText) {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *state = SecretState { value: Some(value), problem: None };
    }

    /// Reads the secret again. Returns what has changed. Blocks on the disk.
    pub(super) fn refresh(&self, source: &SecretSource) -> Option<CellChange> {
        let current = self.value();
        let read = secret_reader::read_settled(source, current.as_ref());
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(value) => {
                let had_problem = state.problem.take().is_some();
                if state.value.as_ref() != Some(&value) {
                    state.value = Some(value);
                    return Some(CellChange::Changed);
                }
                had_problem.then_some(CellChange::Recovered)
            }
            Err(error) if state.problem.as_ref() == Some(&error) => None,
            Err(error) => {
                state.problem = Some(error.clone());
                Some(CellChange::Failed(error))
            }
        }
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        let cell = SecretCell::default();
        cell.set(SecretText::from(text));
        Self::new(SecretSource::Inline, Arc::new(cell))
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
            && (self.source != SecretSource::Inline || self.cell.value() == other.cell.value())
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            SecretSource::Inline => f.write_str("Secret(..)"),
            source => write!(f, "Secret({source})"),
        }
    }
}
