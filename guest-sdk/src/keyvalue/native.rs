//! Keys and values of the host of a test.

use std::time::Duration;

use super::{KeyPage, KeyValueError, TimeToLive};
use crate::testing::native::{imports::keyvalue, key_value_store::KeyValueStore};

type KeyValueResult<T> = Result<T, KeyValueError>;

/// The longest time to live: 100 years.
const MAX_TTL_MS: u64 = 100 * 365 * 24 * 60 * 60 * 1_000;

const NOT_AN_INTEGER: &str = "the value or the sum is not a 64-bit integer";

#[derive(Debug, Clone)]
pub(super) struct Bucket(String);

/// The value that a key had, for a comparison.
pub(super) struct Cas {
    bucket: Bucket,
    key: String,
    value: Option<Vec<u8>>,
}

pub(super) fn open(name: &str) -> KeyValueResult<Bucket> {
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    match (1..=99).contains(&name.len()) && name.bytes().all(is_valid) {
        true => keyvalue::check_host().map(|()| Bucket(name.to_owned())),
        false => Err(KeyValueError::no_such_store(name)),
    }
}

impl Bucket {
    pub(super) fn get(&self, key: &str) -> KeyValueResult<Option<Vec<u8>>> {
        keyvalue::read(|store| store.get(&self.0, key))
    }

    pub(super) fn set(&self, key: &str, value: &[u8]) -> KeyValueResult<()> {
        self.write(key, |store| {
            store.set(&self.0, key, value.to_owned(), None);
            Ok(())
        })
    }

    pub(super) fn delete(&self, key: &str) -> KeyValueResult<()> {
        self.write(key, |store| {
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
        self.write(key, |store| store.increment(&self.0, key, delta).ok_or(NOT_AN_INTEGER))
    }

    pub(super) fn get_many(&self, keys: Vec<String>) -> KeyValueResult<Vec<Option<Vec<u8>>>> {
        keyvalue::read(|store| keys.iter().map(|key| store.get(&self.0, key)).collect())
    }

    pub(super) fn set_many(&self, entries: Vec<(String, Vec<u8>)>) -> KeyValueResult<()> {
        let first = entries.first().map(|(key, _)| key.clone()).unwrap_or_default();
        self.write(&first, |store| {
            entries.into_iter().for_each(|(key, value)| store.set(&self.0, &key, value, None));
            Ok(())
        })
    }

    pub(super) fn delete_many(&self, keys: Vec<String>) -> KeyValueResult<()> {
        self.write(keys.first().map_or("", String::as_str), |store| {
            keys.iter().for_each(|key| store.delete(&self.0, key));
            Ok(())
        })
    }

    pub(super) fn set_with_ttl(&self, key: &str, value: &[u8], ttl_ms: u64) -> KeyValueResult<()> {
        self.write(key, |store| {
            store.set(&self.0, key, value.to_owned(), Some(check_ttl(ttl_ms)?));
            Ok(())
        })
    }

    pub(super) fn set_ttl(&self, key: &str, ttl_ms: Option<u64>) -> KeyValueResult<bool> {
        self.write(key, |store| {
            let ttl = ttl_ms.map(check_ttl).transpose()?;
            Ok(store.set_ttl(&self.0, key, ttl))
        })
    }

    pub(super) fn ttl(&self, key: &str) -> KeyValueResult<TimeToLive> {
        keyvalue::read(|store| store.ttl(&self.0, key))
    }

    /// Changes the store. The error names the bucket and the key.
    fn write<R>(
        &self,
        key: &str,
        work: impl FnOnce(&mut KeyValueStore) -> Result<R, &'static str>,
    ) -> KeyValueResult<R> {
        let done = keyvalue::write(|store| {
            work(store).map_err(|problem| KeyValueError::Other(problem.to_owned()))
        });
        done.map_err(|error| error.at(&self.0, key))
    }
}

impl Cas {
    pub(super) fn new(bucket: &Bucket, key: &str) -> KeyValueResult<Self> {
        Ok(Self { bucket: bucket.clone(), key: key.to_owned(), value: bucket.get(key)? })
    }

    pub(super) fn current(&self) -> KeyValueResult<Option<Vec<u8>>> {
        Ok(self.value.clone())
    }

    /// Sets the value. Returns the value that another writer has set meanwhile.
    pub(super) fn swap(self, value: &[u8]) -> KeyValueResult<Option<Self>> {
        let Self { bucket, key, value: expected } = self;
        let is_set = bucket.write(&key, |store| {
            Ok(store.compare_and_set(&bucket.0, &key, expected.as_deref(), value))
        })?;
        if is_set {
            return Ok(None);
        }
        let value = bucket.get(&key)?;
        Ok(Some(Self { bucket, key, value }))
    }
}

fn check_ttl(ttl_ms: u64) -> Result<Duration, &'static str> {
    match (1..=MAX_TTL_MS).contains(&ttl_ms) {
        true => Ok(Duration::from_millis(ttl_ms)),
        false => Err("the time to live must be from 1 millisecond to 100 years"),
    }
}
