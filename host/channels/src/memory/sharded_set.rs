//! A set of named values with a lock for each part.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::ptr;
use std::sync::{Arc, Mutex};

use super::lock::lock;

/// The number of shards, each with its own lock: several for each core of an ordinary machine.
const SHARD_COUNT: usize = 32;

/// A value that contains its own name, so that the set needs no second copy.
pub(super) trait HasName {
    fn name(&self) -> &str;
}

/// A value that is compared and hashed by its name.
struct ByName<T>(Arc<T>);

impl<T: HasName> Borrow<str> for ByName<T> {
    fn borrow(&self) -> &str {
        self.0.name()
    }
}

impl<T: HasName> Hash for ByName<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name().hash(state);
    }
}

impl<T: HasName> PartialEq for ByName<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0.name() == other.0.name()
    }
}

impl<T: HasName> Eq for ByName<T> {}

/// A set of values by name, in shards.
pub(super) struct ShardedSet<T>([Mutex<HashSet<ByName<T>>>; SHARD_COUNT]);

impl<T: HasName> ShardedSet<T> {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }

    pub(super) fn get(&self, name: &str) -> Option<Arc<T>> {
        lock(self.shard(name)).get(name).map(|found| Arc::clone(&found.0))
    }

    pub(super) fn get_or_insert(&self, name: &str, make: impl FnOnce() -> T) -> Arc<T> {
        let mut shard = lock(self.shard(name));
        if let Some(found) = shard.get(name) {
            return Arc::clone(&found.0);
        }
        let created = Arc::new(make());
        shard.insert(ByName(Arc::clone(&created)));
        created
    }

    /// Removes exactly this value, not another of the same name, if `condition` holds. Checks `condition` under the
    /// shard's lock, so nobody can find the value afterwards.
    pub(super) fn remove_if(&self, value: &T, condition: impl FnOnce(&T) -> bool) {
        let mut shard = lock(self.shard(value.name()));
        let is_here = shard.get(value.name()).is_some_and(|found| ptr::eq(&*found.0, value));
        if is_here && condition(value) {
            let removed = shard.take(value.name());
            drop(shard);
            drop(removed);
        }
    }

    /// Removes everything, shard by shard, and passes each value to `each` without a lock.
    pub(super) fn drain(&self, mut each: impl FnMut(Arc<T>)) {
        for shard in &self.0 {
            let drained = std::mem::take(&mut *lock(shard));
            drained.into_iter().for_each(|value| each(value.0));
        }
    }

    /// Keeps the values for which `keep` returns true. Holds the lock of one shard at a time.
    pub(super) fn retain(&self, mut keep: impl FnMut(&T) -> bool) {
        for shard in &self.0 {
            lock(shard).retain(|value| keep(&value.0));
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|shard| lock(shard).len()).sum()
    }

    /// Returns the shard of a name. The last bytes of unique names differ, so they spread well. Names that somebody
    /// chose for one shard only contend for its lock; the sets inside hash with random keys.
    fn shard(&self, name: &str) -> &Mutex<HashSet<ByName<T>>> {
        let mix = |sum: usize, byte: u8| sum.wrapping_mul(31).wrapping_add(byte.into());
        &self.0[name.bytes().rev().take(8).fold(0, mix) % SHARD_COUNT]
    }
}
