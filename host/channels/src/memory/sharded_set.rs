//! Named things, found by their names without one lock over all.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::ptr;
use std::sync::{Arc, Mutex};

use super::lock;

/// How many parts there are, each with its lock: several for each core of an ordinary machine.
const SHARD_COUNT: usize = 32;

/// A channel or a group: something that keeps its own name, so that the table needs no second copy.
pub(super) trait HasName {
    fn name(&self) -> &str;
}

/// A thing as its name sees it.
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

/// A set of things by name.
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
        let made = Arc::new(make());
        shard.insert(ByName(Arc::clone(&made)));
        made
    }

    /// Takes out this very thing, not another of its name, if it agrees. It is asked under the shard's lock, so that
    /// nobody finds it afterwards.
    pub(super) fn remove_if(&self, thing: &T, agrees: impl FnOnce(&T) -> bool) {
        let mut shard = lock(self.shard(thing.name()));
        let here = shard.get(thing.name()).is_some_and(|found| ptr::eq(&*found.0, thing));
        if here && agrees(thing) {
            let removed = shard.take(thing.name());
            drop(shard);
            drop(removed);
        }
    }

    /// Takes out everything, shard by shard, and hands it over without a lock.
    pub(super) fn drain(&self, mut each: impl FnMut(Arc<T>)) {
        for shard in &self.0 {
            let drained = std::mem::take(&mut *lock(shard));
            drained.into_iter().for_each(|thing| each(thing.0));
        }
    }

    /// Keeps what says so, shard by shard, each under its lock.
    pub(super) fn retain(&self, mut keep: impl FnMut(&T) -> bool) {
        for shard in &self.0 {
            lock(shard).retain(|thing| keep(&thing.0));
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|shard| lock(shard).len()).sum()
    }

    /// A name's end tells unique names apart, so a few bytes spread them. Names chosen to meet in one shard only wait
    /// for each other; the tables inside hash with random keys.
    fn shard(&self, name: &str) -> &Mutex<HashSet<ByName<T>>> {
        let mix = |sum: usize, byte: u8| sum.wrapping_mul(31).wrapping_add(byte.into());
        &self.0[name.bytes().rev().take(8).fold(0, mix) % SHARD_COUNT]
    }
}
