//! The secrets that a configuration refers to.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::secret_value::{CellChange, SecretCell};
use super::{Secret, SecretError, SecretSource, secret_reader};

/// The secrets in the environment and in files that a configuration refers to. Copies share the secrets. A host gives its
/// store to each configuration that it reads, so that all of them see a new value.
#[derive(Clone, Default)]
pub struct SecretStore(Arc<StoreState>);

#[derive(Default)]
struct StoreState {
    /// Whether secrets are read. Commands that only need the address of a host do not read them.
    is_reading: bool,
    /// The secrets that some configuration still has.
    cells: Mutex<BTreeMap<SecretSource, Weak<SecretCell>>>,
}

/// The result of [`SecretStore::refresh`].
#[derive(Debug, Default)]
pub struct SecretChanges {
    /// The secrets with another value.
    pub changed: Vec<SecretSource>,
    /// The secrets that can be read again and have the value from before.
    pub recovered: Vec<SecretSource>,
    /// The secrets that cannot be read since now. Their values stay.
    pub failed: Vec<SecretError>,
    /// The secrets that one look found changed, and that may still be written. The next look decides.
    pub unsettled: Vec<SecretSource>,
}

impl SecretStore {
    /// A store that reads secrets.
    pub fn reading() -> Self {
        Self(Arc::new(StoreState { is_reading: true, ..StoreState::default() }))
    }

    /// A store that reads no secrets: they have no values.
    pub fn offline() -> Self {
        Self::default()
    }

    /// The secret of a source. Reads it if no configuration has it yet: a secret that another one has keeps its value if it
    /// cannot be read any more. Blocks on the disk.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn secret(&self, source: SecretSource) -> Result<Secret, SecretError> {
        if let Some(cell) = self.cells().remove(&source) {
            return Ok(Secret::new(source, cell));
        }
        let cell = Arc::new(SecretCell::default());
        if self.0.is_reading {
            cell.set(secret_reader::read(&source)?);
        }
        let mut cells = self.0.cells.lock().unwrap_or_else(PoisonError::into_inner);
        cells.insert(source.clone(), Arc::downgrade(&cell));
        drop(cells);
        Ok(Secret::new(source, cell))
    }

    /// Whether no configuration has a secret.
    pub fn is_empty(&self) -> bool {
        self.cells().is_empty()
    }

    /// Reads all secrets again. Another value counts once two calls in a row find it, because a writer may have emptied the
    /// file and not have written it yet. A secret that cannot be read keeps its value. Blocks on the disk.
    pub fn refresh(&self) -> SecretChanges {
        let mut changes = SecretChanges::default();
        for (source, cell) in self.cells() {
            match cell.refresh(&source) {
                None => {}
                Some(CellChange::Unsettled) => changes.unsettled.push(source),
                Some(CellChange::Changed) => changes.changed.push(source),
                Some(CellChange::Recovered) => changes.recovered.push(source),
                Some(CellChange::Failed(error)) => changes.failed.push(error),
            }
        }
        changes
    }

    /// The secrets that could not be read the last time. Their values are those from before.
    pub fn problems(&self) -> Vec<SecretError> {
        self.cells().values().filter_map(|cell| cell.problem()).collect()
    }

    /// The files of secrets.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let file = |source| match source {
            SecretSource::File(path) => Some(path),
            SecretSource::Inline | SecretSource::Env(_) => None,
        };
        self.cells().into_keys().filter_map(file).collect()
    }

    /// The secrets that some configuration still has.
    fn cells(&self) -> BTreeMap<SecretSource, Arc<SecretCell>> {
        let mut cells = self.0.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let mut live = BTreeMap::new();
        cells.retain(|source, cell| match cell.upgrade() {
            None => false,
            Some(cell) => {
                live.insert(source.clone(), cell);
                true
            }
        });
        live
    }
}

impl std::fmt::Debug for SecretStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.cells().keys()).finish()
    }
}
