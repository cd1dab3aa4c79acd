//! Memberships that are not queued.

use std::collections::{BTreeMap, HashMap};

use super::queue_operation::QueueOperation;

/// The largest number of deferred memberships. More are refused.
const DEFERRED_LIMIT: usize = 1_000_000;

/// Deferred memberships in the order of their numbers, at most one for each channel in each group. The later of two
/// with the same key replaces the other.
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

    /// Adds a membership, unless there is a later one with the same key.
    ///
    /// # Errors
    /// Returns the membership if there are too many.
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

    /// Removes the membership of a key if its number is lower than `number`.
    pub(super) fn remove_before(&mut self, number: u64, key: &O::Key) {
        if let Some(&other) = self.number_by_key.get(key)
            && other < number
        {
            self.number_by_key.remove(key);
            self.by_number.remove(&other);
        }
    }

    /// Removes the memberships that the next connection writes anyway.
    pub(super) fn drop_restorable(&mut self) {
        self.by_number.retain(|_, membership| !membership.is_restorable());
        let by_number = &self.by_number;
        self.number_by_key.retain(|_, number| by_number.contains_key(number));
    }

    /// Returns the lowest number.
    pub(super) fn first_number(&self) -> Option<u64> {
        self.by_number.keys().next().copied()
    }

    /// Takes the membership with the lowest number.
    pub(super) fn pop_first(&mut self) -> Option<(u64, O)> {
        let (number, membership) = self.by_number.pop_first()?;
        if let Some(key) = membership.key() {
            self.number_by_key.remove(&key);
        }
        Some((number, membership))
    }
}
