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
    /// The result of the last look, if it differs from the two above. It counts if the next look has the same.
    unsettled: Option<Result<SecretText, SecretError>>,
}

/// The change of a secret that was read again.
pub(super) enum CellChange {
    /// The look found something else than the look before, so that a writer may not be done.
    Unsettled,
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
        *state = SecretState { value: Some(value), ..SecretState::default() };
    }

    /// Reads the secret again. Another value counts once two looks in a row find it. Returns the change. Blocks on the disk.
    pub(super) fn refresh(&self, source: &SecretSource) -> Option<CellChange> {
        let look = secret_reader::read(source);
        self.0.write().unwrap_or_else(PoisonError::into_inner).apply(look)
    }
}

impl SecretState {
    /// Applies the result of a look.
    fn apply(&mut self, look: Result<SecretText, SecretError>) -> Option<CellChange> {
        let before = self.unsettled.take();
        if look.as_ref().ok() == self.value.as_ref() {
            return self.problem.take().map(|_| CellChange::Recovered);
        }
        if look.as_ref().err().is_some_and(|error| self.problem.as_ref() == Some(error)) {
            return None;
        }
        if before.as_ref() != Some(&look) {
            self.unsettled = Some(look);
            return Some(CellChange::Unsettled);
        }
        Some(self.accept(look))
    }

    /// Takes over the result of two looks that agree.
    fn accept(&mut self, look: Result<SecretText, SecretError>) -> CellChange {
        match look {
            Ok(value) => {
                *self = Self { value: Some(value), ..Self::default() };
                CellChange::Changed
            }
            Err(error) => {
                self.problem = Some(error.clone());
                CellChange::Failed(error)
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
