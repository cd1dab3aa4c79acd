//! Keys and values of the host of a test.

use super::{KeyPage, KeyValueError};
use crate::testing::native::imports::keyvalue;

type KeyValueResult<T> = Result<T, KeyValueError>;

#[derive(Debug)]
pub(super) struct Bucket(String);

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
            store.set(&self.0, key, value.to_owned());
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
        let keys = keyvalue::read(|store| store.keys(&self.0))?;
        Ok(KeyPage { keys, cursor: None })
    }

    pub(super) fn increment(&self, key: &str, delta: i64) -> KeyValueResult<i64> {
        keyvalue::write(|store| {
            store.increment(&self.0, key, delta).ok_or_else(|| {
                KeyValueError::Other("the value or the sum is not a 64-bit integer".to_owned())
            })
        })
    }
}
