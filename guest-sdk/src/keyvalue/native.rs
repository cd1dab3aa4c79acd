//! Keys and values in the memory of one thread, for the tests of a plugin.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::{KeyPage, KeyValueError};

type KeyValueResult<T> = Result<T, KeyValueError>;

thread_local! {
    static ENTRIES: RefCell<BTreeMap<(String, String), Vec<u8>>> = const { RefCell::new(BTreeMap::new()) };
}

#[derive(Debug)]
pub(super) struct Bucket(String);

pub(super) fn open(name: &str) -> KeyValueResult<Bucket> {
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    match (1..=99).contains(&name.len()) && name.bytes().all(is_valid) {
        true => Ok(Bucket(name.to_owned())),
        false => Err(KeyValueError::NoSuchStore),
    }
}

impl Bucket {
    fn entry_key(&self, key: &str) -> (String, String) {
        (self.0.clone(), key.to_owned())
    }

    pub(super) fn get(&self, key: &str) -> KeyValueResult<Option<Vec<u8>>> {
        Ok(ENTRIES.with_borrow(|entries| entries.get(&self.entry_key(key)).cloned()))
    }

    pub(super) fn set(&self, key: &str, value: &[u8]) -> KeyValueResult<()> {
        ENTRIES.with_borrow_mut(|entries| entries.insert(self.entry_key(key), value.to_owned()));
        Ok(())
    }

    pub(super) fn delete(&self, key: &str) -> KeyValueResult<()> {
        ENTRIES.with_borrow_mut(|entries| entries.remove(&self.entry_key(key)));
        Ok(())
    }

    pub(super) fn exists(&self, key: &str) -> KeyValueResult<bool> {
        Ok(self.get(key)?.is_some())
    }

    pub(super) fn list_keys(&self, _: Option<&str>) -> KeyValueResult<KeyPage> {
        let own_key = |(name, key): &(String, String)| (*name == self.0).then(|| key.clone());
        let keys = ENTRIES.with_borrow(|entries| entries.keys().filter_map(own_key).collect());
        Ok(KeyPage { keys, cursor: None })
    }

    pub(super) fn increment(&self, key: &str, delta: i64) -> KeyValueResult<i64> {
        let value = self.get(key)?.unwrap_or_else(|| b"0".to_vec());
        let number = str::from_utf8(&value).ok().and_then(|text| text.parse::<i64>().ok());
        let sum = number.and_then(|number| number.checked_add(delta));
        let sum = sum.ok_or_else(|| {
            KeyValueError::Other("the value or the sum is not a 64-bit integer".to_owned())
        })?;
        self.set(key, sum.to_string().as_bytes())?;
        Ok(sum)
    }
}
