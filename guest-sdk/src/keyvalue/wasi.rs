//! Keys and values through `wasi:keyvalue` and `narrowboat:consumer/keyvalue`.

use std::time::Duration;

use super::{KeyPage, KeyValueError, TimeToLive};
use crate::bindings::grantable_world::narrowboat::consumer::keyvalue;
use crate::bindings::grantable_world::wasi::keyvalue::{atomics, batch, store};

#[derive(Debug)]
pub(super) struct Bucket(store::Bucket);

/// The value that a key had, for a comparison.
pub(super) struct Cas(atomics::Cas);

type KeyValueResult<T> = Result<T, KeyValueError>;

pub(super) fn open(name: &str) -> KeyValueResult<Bucket> {
    store::open(name).map(Bucket).map_err(|error| match error {
        store::Error::NoSuchStore => KeyValueError::no_such_store(name),
        other => other.into(),
    })
}

impl Bucket {
    pub(super) fn get(&self, key: &str) -> KeyValueResult<Option<Vec<u8>>> {
        Ok(self.0.get(key)?)
    }

    pub(super) fn set(&self, key: &str, value: &[u8]) -> KeyValueResult<()> {
        Ok(self.0.set(key, value)?)
    }

    pub(super) fn delete(&self, key: &str) -> KeyValueResult<()> {
        Ok(self.0.delete(key)?)
    }

    pub(super) fn exists(&self, key: &str) -> KeyValueResult<bool> {
        Ok(self.0.exists(key)?)
    }

    pub(super) fn list_keys(&self, cursor: Option<&str>) -> KeyValueResult<KeyPage> {
        Ok(self.0.list_keys(cursor)?.into())
    }

    pub(super) fn list(
        &self,
        prefix: &str,
        cursor: Option<&str>,
        limit: u32,
    ) -> KeyValueResult<KeyPage> {
        Ok(keyvalue::list_by_prefix(&self.0, prefix, cursor, limit)?.into())
    }

    pub(super) fn increment(&self, key: &str, delta: i64) -> KeyValueResult<i64> {
        Ok(atomics::increment(&self.0, key, delta)?)
    }

    pub(super) fn get_many(&self, keys: Vec<String>) -> KeyValueResult<Vec<Option<Vec<u8>>>> {
        let pairs = batch::get_many(&self.0, &keys)?;
        Ok(pairs.into_iter().map(|(_, value)| value).collect())
    }

    pub(super) fn set_many(&self, entries: Vec<(String, Vec<u8>)>) -> KeyValueResult<()> {
        Ok(batch::set_many(&self.0, &entries)?)
    }

    pub(super) fn delete_many(&self, keys: Vec<String>) -> KeyValueResult<()> {
        Ok(batch::delete_many(&self.0, &keys)?)
    }

    pub(super) fn set_with_ttl(&self, key: &str, value: &[u8], ttl_ms: u64) -> KeyValueResult<()> {
        Ok(keyvalue::set_with_ttl(&self.0, key, value, ttl_ms)?)
    }

    pub(super) fn set_ttl(&self, key: &str, ttl_ms: Option<u64>) -> KeyValueResult<bool> {
        Ok(keyvalue::set_ttl(&self.0, key, ttl_ms)?)
    }

    pub(super) fn ttl(&self, key: &str) -> KeyValueResult<TimeToLive> {
        Ok(match keyvalue::ttl(&self.0, key)? {
            keyvalue::TimeToLive::Missing => TimeToLive::Missing,
            keyvalue::TimeToLive::Unlimited => TimeToLive::Unlimited,
            keyvalue::TimeToLive::Remaining(ms) => TimeToLive::Remaining(Duration::from_millis(ms)),
        })
    }
}

impl Cas {
    pub(super) fn new(bucket: &Bucket, key: &str) -> KeyValueResult<Self> {
        Ok(Self(atomics::Cas::new(&bucket.0, key)?))
    }

    pub(super) fn current(&self) -> KeyValueResult<Option<Vec<u8>>> {
        Ok(self.0.current()?)
    }

    /// Sets the value. Returns the value that another writer has set meanwhile.
    pub(super) fn swap(self, value: &[u8]) -> KeyValueResult<Option<Self>> {
        match atomics::swap(self.0, value) {
            Ok(()) => Ok(None),
            Err(atomics::CasError::CasFailed(latest)) => Ok(Some(Self(latest))),
            Err(atomics::CasError::StoreError(error)) => Err(error.into()),
        }
    }
}

impl From<store::KeyResponse> for KeyPage {
    fn from(store::KeyResponse { keys, cursor }: store::KeyResponse) -> Self {
        Self { keys, cursor }
    }
}

impl From<store::Error> for KeyValueError {
    fn from(error: store::Error) -> Self {
        match error {
            // Only `open` has a name, and names it.
            store::Error::NoSuchStore => Self::no_such_store(""),
            store::Error::AccessDenied => Self::AccessDenied,
            store::Error::Other(text) => Self::from_text(text),
        }
    }
}
