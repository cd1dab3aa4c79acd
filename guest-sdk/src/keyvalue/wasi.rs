//! Keys and values as the host has them.

use super::{Keys, KeyvalueError};
use crate::bindings::grantable_world::wasi::keyvalue::{atomics, store};

#[derive(Debug)]
pub(super) struct Bucket(store::Bucket);

type Answer<T> = Result<T, KeyvalueError>;

pub(super) fn open(name: &str) -> Answer<Bucket> {
    Ok(Bucket(store::open(name)?))
}

impl Bucket {
    pub(super) fn get(&self, key: &str) -> Answer<Option<Vec<u8>>> {
        Ok(self.0.get(key)?)
    }

    pub(super) fn set(&self, key: &str, value: &[u8]) -> Answer<()> {
        Ok(self.0.set(key, value)?)
    }

    pub(super) fn delete(&self, key: &str) -> Answer<()> {
        Ok(self.0.delete(key)?)
    }

    pub(super) fn exists(&self, key: &str) -> Answer<bool> {
        Ok(self.0.exists(key)?)
    }

    pub(super) fn keys(&self, cursor: Option<&str>) -> Answer<Keys> {
        let store::KeyResponse { keys, cursor } = self.0.list_keys(cursor)?;
        Ok(Keys { keys, cursor })
    }

    pub(super) fn increment(&self, key: &str, delta: i64) -> Answer<i64> {
        Ok(atomics::increment(&self.0, key, delta)?)
    }
}

impl From<store::Error> for KeyvalueError {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::NoSuchStore => Self::NoSuchStore,
            store::Error::AccessDenied => Self::AccessDenied,
            store::Error::Other(text) => Self::Other(text),
        }
    }
}
