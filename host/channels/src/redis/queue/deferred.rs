//! Memberships that have no place among the operations, at most one for each channel in each group.

use std::collections::{BTreeMap, HashMap};

use super::Operation;

/// The most memberships that are deferred. Those over it are refused.
const MOST: usize = 1_000_000;

/// Deferred memberships in the order of their numbers. Of two for one key the later one stays.
pub(super) struct Deferred<O: Operation> {
    by_number: BTreeMap<u64, O>,
    numbers: HashMap<O::Key, u64>,
}

impl<O: Operation> Default for Deferred<O> {
    fn default() -> Self {
        Self { by_number: BTreeMap::new(), numbers: HashMap::new() }
    }
}

impl<O: Operation> Deferred<O> {
    pub(super) fn len(&self) -> usize {
        self.by_number.len()
    }

    /// Defers a membership. A later one for the same key stays instead.
    ///
    /// # Errors
    /// Gives it back where there are too many.
    pub(super) fn insert(&mut self, number: u64, key: O::Key, membership: O) -> Result<(), O> {
        match self.numbers.get(&key) {
            Some(&other) if other > number => return Ok(()),
            Some(other) => drop(self.by_number.remove(other)),
            None if self.by_number.len() >= MOST => return Err(membership),
            None => {}
        }
        self.numbers.insert(key, number);
        self.by_number.insert(number, membership);
        Ok(())
    }

    /// Forgets the membership of a key, unless it is later than this.
    pub(super) fn remove_before(&mut self, number: u64, key: &O::Key) {
        if let Some(&other) = self.numbers.get(key)
            && other < number
        {
            self.numbers.remove(key);
            self.by_number.remove(&other);
        }
    }

    /// Forgets the memberships that connecting anew writes anyway.
    pub(super) fn forget_restored(&mut self) {
        self.by_number.retain(|_, membership| !membership.is_restored());
        let by_number = &self.by_number;
        self.numbers.retain(|_, number| by_number.contains_key(number));
    }

    /// The number of the first.
    pub(super) fn first(&self) -> Option<u64> {
        self.by_number.keys().next().copied()
    }

    /// Takes the first.
    pub(super) fn pop(&mut self) -> Option<(u64, O)> {
        let (number, membership) = self.by_number.pop_first()?;
        if let Some(key) = membership.key() {
            self.numbers.remove(&key);
        }
        Some((number, membership))
    }
}
