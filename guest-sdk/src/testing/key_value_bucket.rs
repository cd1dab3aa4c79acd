use std::rc::Rc;
use std::time::Duration;

use super::{backend::SharedBackend, failure::expect};
use crate::keyvalue::TimeToLive;

/// A bucket of keys and values of the plugin, as the test sees it. In the plugin:
/// [`keyvalue::Bucket`](crate::keyvalue::Bucket).
pub struct KeyValueBucket {
    backend: SharedBackend,
    name: String,
}

impl KeyValueBucket {
    pub(super) fn new(backend: &SharedBackend, name: &str) -> Self {
        Self { backend: Rc::clone(backend), name: name.to_owned() }
    }

    /// The value of a key; `None` if the key does not exist.
    #[track_caller]
    pub fn get(&self, key: &str) -> Option<Vec<u8>> {
        expect(self.backend.borrow_mut().keyvalue_get(&self.name, key))
    }

    /// The value of a key as text; `None` if the key does not exist. Bytes that are not UTF-8 become U+FFFD.
    #[track_caller]
    pub fn get_text(&self, key: &str) -> Option<String> {
        self.get(key).map(|value| String::from_utf8_lossy(&value).into_owned())
    }

    /// Sets the value of a key. The key has no time to live afterwards.
    #[track_caller]
    pub fn set(&self, key: &str, value: impl AsRef<[u8]>) {
        expect(self.backend.borrow_mut().keyvalue_set(&self.name, key, value.as_ref(), None));
    }

    /// Sets the value of a key, which is deleted once the clock has advanced by `ttl`.
    #[track_caller]
    pub fn set_with_ttl(&self, key: &str, value: impl AsRef<[u8]>, ttl: Duration) {
        expect(self.backend.borrow_mut().keyvalue_set(&self.name, key, value.as_ref(), Some(ttl)));
    }

    /// The time that a key has left.
    #[track_caller]
    pub fn ttl(&self, key: &str) -> TimeToLive {
        expect(self.backend.borrow_mut().keyvalue_ttl(&self.name, key))
    }

    /// Deletes a key. Does nothing if the key does not exist.
    #[track_caller]
    pub fn delete(&self, key: &str) {
        expect(self.backend.borrow_mut().keyvalue_delete(&self.name, key));
    }

    /// The keys of the bucket.
    #[track_caller]
    pub fn keys(&self) -> Vec<String> {
        self.keys_with_prefix("")
    }

    /// The keys of the bucket that begin with a prefix.
    #[track_caller]
    pub fn keys_with_prefix(&self, prefix: &str) -> Vec<String> {
        expect(self.backend.borrow_mut().keyvalue_keys(&self.name, prefix))
    }
}
