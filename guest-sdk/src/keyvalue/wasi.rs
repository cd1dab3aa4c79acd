//! Keys and values through `wasi:keyvalue`.

use super::{KeyPage, KeyValueError};
use crate::bindings::grantable_world::wasi::keyvalue::{atomics, store};

#[derive(Debug)]
pub(super) struct Bucket(store::Bucket);

type KeyValueResult<T> = Result<T, KeyValueError>;

pub(super) fn open(name: &str) -> KeyValueResult<Bucket> {
    Ok(Bucket(store::open(name)?))
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
        let store::KeyResponse { keys, cursor } = self.0.list_keys(cursor)?;
        Ok(KeyPage { keys, cursor })
    }

    pub(super) fn increment(&self, key: &str, delta: i64) -> KeyValueResult<i64> {
        Ok(atomics::increment(&self.0, key, delta)?)
    }
}

impl From<store::Error> for KeyValueError {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::NoSuchStore => Self::NoSuchStore,
            store::Error::AccessDenied => Self::AccessDenied,
            store::Error::Other(text) => Self::Other(text),
        }
    }
}
