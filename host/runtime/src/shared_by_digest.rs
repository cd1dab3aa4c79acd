//! Values that are made from bytes, of which all users of the same bytes share one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use rustc_hash::FxHashMap;

use narrowboat_core::sha256_digest::Sha256Digest;

/// Values by the digest of the bytes that they are made from. A value exists as long as a user holds it.
pub(crate) struct SharedByDigest<T>(Mutex<FxHashMap<Sha256Digest, Weak<T>>>);

impl<T> SharedByDigest<T> {
    /// Returns the value of these bytes, if a user holds one.
    pub(crate) fn find(&self, digest: Sha256Digest) -> Option<Arc<T>> {
        self.values().get(&digest).and_then(Weak::upgrade)
    }

    /// Shares a new value. Returns the value that another thread has shared meanwhile, if there is one.
    pub(crate) fn share(&self, digest: Sha256Digest, value: T) -> Arc<T> {
        let mut values = self.values();
        if let Some(shared) = values.get(&digest).and_then(Weak::upgrade) {
            return shared;
        }
        values.retain(|_, value| value.strong_count() > 0);
        let value = Arc::new(value);
        values.insert(digest, Arc::downgrade(&value));
        value
    }

    /// The number of values that users hold.
    pub(crate) fn count(&self) -> usize {
        self.values().values().filter(|value| value.strong_count() > 0).count()
    }

    fn values(&self) -> MutexGuard<'_, FxHashMap<Sha256Digest, Weak<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for SharedByDigest<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest() -> Sha256Digest {
        Sha256Digest::of(b"bytes")
    }

    #[test]
    fn users_of_the_same_bytes_share_a_value() {
        let shared = SharedByDigest::default();
        let first = shared.share(digest(), 1);
        assert!(Arc::ptr_eq(&first, &shared.find(digest()).unwrap()));
        assert!(Arc::ptr_eq(&first, &shared.share(digest(), 2)));
        assert!(shared.find(Sha256Digest::of(b"other bytes")).is_none());
    }

    #[test]
    fn a_value_ends_with_its_last_user() {
        let shared = SharedByDigest::default();
        let (first, second) = (shared.share(digest(), 1), shared.share(digest(), 1));
        drop(first);
        assert_eq!(shared.count(), 1);
        drop(second);
        assert_eq!(shared.count(), 0);
        assert!(shared.find(digest()).is_none());
        assert_eq!(*shared.share(digest(), 2), 2);
    }
}
