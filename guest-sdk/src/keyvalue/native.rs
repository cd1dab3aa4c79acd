//! Keys and values of the host of a test.

use std::time::Duration;

use super::{KeyPage, KeyValueError, TimeToLive};
use crate::testing::native::imports::keyvalue;

type KeyValueResult<T> = Result<T, KeyValueError>;

/// The longest time to live: 100 years.
const MAX_TTL_MS: u64 = 100 * 365 * 24 * 60 * 60 * 1_000;

#[derive(Debug)]
pub(super) struct Bucket(String);

/// The value that a key had, for a comparison.
pub(super) struct Comparison {
    bucket: String,
    key: String,
    value: Option<Vec<u8>>,
}

/// The result of a comparison.
pub(super) enum Swap {
    Done,
    /// Another writer has changed the value.
    Changed(Comparison),
}

pub(super) fn open(name: &str) -> KeyValueResult<Bucket> {
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    match (1..=99).contains(&name.len()) && name.bytes().all(is_valid) {
        true => keyvalue::check_host().map(|()| Bucket(name.to_owned())),
        false => Err(KeyValueError::NoSuchStore),
    }
}

impl Bucket {
    pub(super) fn get(&self, key: &str) -> KeyValueResult<Option<Vec<u8>>> {
        keyvalue::read(|store| store.get(&self.0, key))
    }

    pub(super) fn set(&self, key: &str, value: &[u8]) -> KeyValueResult<()> {
        keyvalue::write(|store| {
            store.set(&self.0, key, value.to_owned(), None);
            Ok(())
        })
    }

    pub(super) fn delete(&self, key: &str) -> KeyValueResult<()> {
        keyvalue::write(|store| {
            store.delete(&self.0, key);
            Ok(())
        })
    }

    pub(super) fn exists(&self, key: &str) -> KeyValueResult<bool> {
        Ok(self.get(key)?.is_some())
    }

    pub(super) fn list_keys(&self, _: Option<&str>) -> KeyValueResult<KeyPage> {
        keyvalue::read(|store| store.list(&self.0, "", None, usize::MAX))
    }

    pub(super) fn list(
        &self,
        prefix: &str,
        cursor: Option<&str>,
        limit: u32,
    ) -> KeyValueResult<KeyPage> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        keyvalue::read(|store| store.list(&self.0, prefix, cursor, limit))
    }

    pub(super) fn increment(&self, key: &str, delta: i64) -> KeyValueResult<i64> {
        keyvalue::write(|store| {
            store.increment(&self.0, key, delta).ok_or_else(|| {
                KeyValueError::Other("the value or the sum is not a 64-bit integer".to_owned())
            })
        })
    }

    pub(super) fn get_many(&self, keys: Vec<String>) -> KeyValueResult<Vec<Option<Vec<u8>>>> {
        keyvalue::read(|store| keys.iter().map(|key| store.get(&self.0, key)).collect())
    }

    pub(super) fn set_many(&self, entries: Vec<(String, Vec<u8>)>) -> KeyValueResult<()> {
        keyvalue::write(|store| {
            entries.into_iter().for_each(|(key, value)| store.set(&self.0, &key, value, None));
            Ok(())
        })
    }

    pub(super) fn delete_many(&self, keys: Vec<String>) -> KeyValueResult<()> {
        keyvalue::write(|store| {
            keys.iter().for_each(|key| store.delete(&self.0, key));
            Ok(())
        })
    }

    pub(super) fn set_with_ttl(&self, key: &str, value: &[u8], ttl_ms: u64) -> KeyValueResult<()> {
        let ttl = check_ttl(ttl_ms)?;
        keyvalue::write(|store| {
            store.set(&self.0, key, value.to_owned(), Some(ttl));
            Ok(())
        })
    }

    pub(super) fn set_ttl(&self, key: &str, ttl_ms: Option<u64>) -> KeyValueResult<bool> {
        let ttl = ttl_ms.map(check_ttl).transpose()?;
        keyvalue::write(|store| Ok(store.set_ttl(&self.0, key, ttl)))
    }

    pub(super) fn ttl(&self, key: &str) -> KeyValueResult<TimeToLive> {
        keyvalue::read(|store| store.ttl(&self.0, key))
    }

    /// Reads a value that is compared later.
    pub(super) fn compare(&self, key: &str) -> KeyValueResult<Comparison> {
        Ok(Comparison { bucket: self.0.clone(), key: key.to_owned(), value: self.get(key)? })
    }
}

fn check_ttl(ttl_ms: u64) -> KeyValueResult<Duration> {
    match (1..=MAX_TTL_MS).contains(&ttl_ms) {
        true => Ok(Duration::from_millis(ttl_ms)),
        false => {
            let problem = "the time to live must be from 1 millisecond to 100 years";
            Err(KeyValueError::Other(problem.to_owned()))
        }
    }
}

impl Comparison {
    /// The value that the key had.
    pub(super) fn current(&self) -> KeyValueResult<Option<Vec<u8>>> {
        Ok(self.value.clone())
    }

    /// Sets the value if the key still has the earlier one.
    pub(super) fn swap(self, value: &[u8]) -> KeyValueResult<Swap> {
        let Self { bucket, key, value: expected } = self;
        keyvalue::write(|store| {
            if store.compare_and_set(&bucket, &key, expected.as_deref(), value) {
                return Ok(Swap::Done);
            }
            let value = store.get(&bucket, &key);
            Ok(Swap::Changed(Self { bucket, key, value }))
        })
    }
}
