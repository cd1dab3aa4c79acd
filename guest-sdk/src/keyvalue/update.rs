//! Changes that depend on the value that a key has.

use super::{
    Bucket, KeyValueError,
    comparison::{Comparison, Swap},
};

/// How often an update is tried. Each failure is the success of another writer.
const MAX_ATTEMPTS: u32 = 1_000;

impl Bucket {
    /// Sets the value of a key if it has the value `expected` now; `None` stands for a key that does not exist. Returns
    /// whether it did. A time to live stays.
    ///
    /// # Errors
    /// As [`Bucket::set`].
    pub fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<bool, KeyValueError> {
        let comparison = Comparison::new(&self.0, key)?;
        if comparison.current()?.as_deref() != expected {
            return Ok(false);
        }
        Ok(matches!(comparison.swap(value.as_ref())?, Swap::Done))
    }

    /// Sets the value of a key to what `change` makes of the value that it has, or of `None` if the key does not exist.
    /// Returns the new value.
    ///
    /// If another writer changes the value meanwhile, `change` is called again with the newer value, so that no update is
    /// lost. It should have no effect but its result. A time to live stays.
    ///
    /// ```
    /// # use narrowboat_guest::keyvalue::{Bucket, KeyValueError};
    /// # fn add_line(bucket: &Bucket, line: &str) -> Result<(), KeyValueError> {
    /// bucket.update("lines", |lines| [lines.unwrap_or_default(), line.as_bytes(), b"\n"].concat())?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Bucket::set`], and [`KeyValueError::Other`] if the value changes at each of 1,000 attempts.
    pub fn update<V: Into<Vec<u8>>>(
        &self,
        key: &str,
        mut change: impl FnMut(Option<&[u8]>) -> V,
    ) -> Result<Vec<u8>, KeyValueError> {
        self.try_update(key, |value| Ok::<_, KeyValueError>(change(value)))
    }

    /// Does the same as [`Bucket::update`]. If `change` fails, the key keeps its value.
    ///
    /// # Errors
    /// Those of `change`, and those of [`Bucket::update`].
    pub fn try_update<V: Into<Vec<u8>>, E: From<KeyValueError>>(
        &self,
        key: &str,
        mut change: impl FnMut(Option<&[u8]>) -> Result<V, E>,
    ) -> Result<Vec<u8>, E> {
        let mut comparison = Comparison::new(&self.0, key)?;
        for _ in 0..MAX_ATTEMPTS {
            let value = change(comparison.current()?.as_deref())?.into();
            match comparison.swap(&value)? {
                Swap::Done => return Ok(value),
                Swap::Changed(latest) => comparison = latest,
            }
        }
        let problem =
            format!("the value of {key:?} has changed at each of {MAX_ATTEMPTS} attempts");
        Err(KeyValueError::Other(problem).into())
    }
}
