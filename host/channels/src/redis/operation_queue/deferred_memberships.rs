//! Memberships that have no place among the operations, at most one for each channel in each group.

use std::collections::{BTreeMap, HashMap};

use super::QueueOperation;

/// The most memberships that are deferred. Those over it are refused.
const DEFERRED_LIMIT: usize = 1_000_000;

/// Deferred memberships in the order of their numbers. Of two for one key the later one stays.
pub(super) struct DeferredMemberships<O: QueueOperation> {
    by_number: BTreeMap<u64, O>,
    number_by_key: HashMap<O::Key, u64>,
}

impl<O: QueueOperation> Default for DeferredMemberships<O> {
    fn default() -> Self {
        Self { by_number: BTreeMap::new(), number_by_key: HashMap::new() }
    }
}

impl<O: QueueOperation> DeferredMemberships<O> {
    pub(super) fn len(&self) -> usize {
        self.by_number.len()
    }

    /// Defers a membership. A later one for the same key stays instead.
    ///
    /// # Errors
    /// Gives it back where there are too many.
    pub(super) fn insert(&mut self, number: u64, key: O::Key, membership: O) -> Result<(), O> {
        match self.number_by_key.get(&key) {
            Some(&other) if other > number => return Ok(()),
            Some(other) => drop(self.by_number.remove(other)),
            None if self.by_number.len() >= DEFERRED_LIMIT => return Err(membership),
            None => {}
        }
        self.number_by_key.insert(key, number);
        self.by_number.insert(number, membership);
        Ok(())
    }

    /// Forgets the membership of a key, unless it is later than this.
    pub(super) fn remove_before(&mut self, number: u64, key: &O::Key) {
        if let Some(&other) = self.number_by_key.get(key)
            && other < number
        {
            self.number_by_key.remove(key);
            self.by_number.remove(&other);
        }
    }

    /// Forgets the memberships that connecting anew writes anyway.
    pub(super) fn drop_restorable(&mut self) {
        self.by_number.retain(|_, membership| !membership.is_restorable());
        let by_number = &self.by_number;
        self.number_by_key.retain(|_, number| by_number.contains_key(number));
    }

    /// The number of the first.
    pub(super) fn first_number(&self) -> Option<u64> {
        self.by_number.keys().next().copied()
    }

    /// Takes the first.
    pub(super) fn pop_first(&mut self) -> Option<(u64, O)> {
        let (number, membership) = self.by_number.pop_first()?;
        if let Some(key) = membership.key() {
            self.number_by_key.remove(&key);
        }
        Some((number, membership))
    }
}
