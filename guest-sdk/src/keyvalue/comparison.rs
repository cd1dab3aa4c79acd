//! The comparison of a key's value with an earlier one.

use super::{KeyValueError, backend};

/// The value that a key had, for a comparison.
pub(super) struct Comparison(backend::Cas);

/// The result of a comparison.
pub(super) enum Swap {
    Done,
    /// Another writer has changed the value.
    Changed(Comparison),
}

impl Comparison {
    /// Reads a value that is compared later.
    pub(super) fn new(bucket: &backend::Bucket, key: &str) -> Result<Self, KeyValueError> {
        backend::Cas::new(bucket, key).map(Self)
    }

    /// The value that the key had.
    pub(super) fn current(&self) -> Result<Option<Vec<u8>>, KeyValueError> {
        self.0.current()
    }

    /// Sets the value if the key still has the earlier one.
    pub(super) fn swap(self, value: &[u8]) -> Result<Swap, KeyValueError> {
        let latest = self.0.swap(value)?;
        Ok(latest.map_or(Swap::Done, |latest| Swap::Changed(Self(latest))))
    }
}
