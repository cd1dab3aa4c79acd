//! Changes that are committed together.

use std::collections::HashMap;
use std::ops::Range;

use redb::{ReadableTable, StorageError, Table, WriteTransaction};

use super::entry_key::{counted_bytes, owner_of};
use super::entry_value::{NEVER, WallMillis, decode_value, encode_value, is_live, wall_after};
use super::expiry_index::{entry_key_of, expired_keys, expiry_key};
use super::tables::{ENTRIES, EXPIRIES, USAGE};
use super::write_request::{Change, ChangeResult, Outcome};
use crate::KeyvalueError;
use crate::expiry_change::ExpiryChange;
use crate::integer::add_to_integer;

/// The most expired entries of one owner that a transaction removes for writes.
const MAX_REMOVED: usize = 256;

/// The most owners whose expired entries a transaction removes for writes.
const MAX_PURGED_OWNERS: usize = 4;

/// The end of a change in a transaction.
#[derive(Debug)]
pub(super) enum Applied {
    /// The change has this result when the transaction is committed.
    Done(ChangeResult),
    /// The change needs the bytes of more expired entries than the transaction may remove. Nothing of it is done, and a
    /// later transaction applies it.
    Later,
}

/// The tables of a transaction, and the usage that it has changed.
pub(super) struct GroupCommit<'a> {
    entries: Table<'a, &'static [u8], &'static [u8]>,
    expiries: Table<'a, &'static [u8], ()>,
    usage: Table<'a, &'static [u8], u64>,
    /// The usage after the last commit.
    committed: &'a HashMap<Vec<u8>, u64>,
    changed: HashMap<Vec<u8>, u64>,
    has_changes: bool,
    /// The owners whose expired entries were removed for a write.
    purged: Vec<Vec<u8>>,
    now: WallMillis,
}

impl<'a> GroupCommit<'a> {
    /// Opens the tables of a transaction. `committed` is the usage after the last commit.
    pub(super) fn open(
        transaction: &'a WriteTransaction,
        committed: &'a HashMap<Vec<u8>, u64>,
        now: WallMillis,
    ) -> Result<Self, redb::Error> {
        Ok(Self {
            entries: transaction.open_table(ENTRIES)?,
            expiries: transaction.open_table(EXPIRIES)?,
            usage: transaction.open_table(USAGE)?,
            committed,
            changed: HashMap::new(),
            has_changes: false,
            purged: Vec::new(),
            now,
        })
    }

    /// Writes the usage. Returns the usage that has changed; `None` if nothing has, and there is nothing to commit.
    pub(super) fn finish(mut self) -> Result<Option<HashMap<Vec<u8>, u64>>, StorageError> {
        if !self.has_changes {
            return Ok(None);
        }
        for (owner, bytes) in &self.changed {
            match bytes {
                0 => drop(self.usage.remove(owner.as_slice())?),
                bytes => drop(self.usage.insert(owner.as_slice(), bytes)?),
            }
        }
        Ok(Some(self.changed))
    }

    /// Applies a change. The error is one of the file, after which the transaction has to be aborted.
    pub(super) fn apply(&mut self, change: &Change) -> Result<Applied, StorageError> {
        match change {
            Change::Set { entries, ttl, quota } => {
                let expiry = ttl.map_or(NEVER, |ttl| wall_after(self.now, ttl));
                self.set(entries, ExpiryChange::Set(expiry), *quota, Outcome::Done)
            }
            Change::Delete { keys } => {
                keys.iter().try_for_each(|key| self.remove(key))?;
                Ok(Applied::Done(Ok(Outcome::Done)))
            }
            Change::Increment { key, delta, quota } => self.increment(key, *delta, *quota),
            Change::CompareAndSet { key, expected, value, quota } => {
                let before = self.live_value(key)?.map(|(_, value)| value);
                if before != *expected {
                    return Ok(Applied::Done(Ok(Outcome::Matched(false))));
                }
                let entry = (key.clone(), value.clone());
                self.set(&[entry], ExpiryChange::Keep, *quota, Outcome::Matched(true))
            }
            Change::SetTtl { key, change } => self.set_ttl(key, *change),
        }
    }

    fn increment(&mut self, key: &[u8], delta: i64, quota: u64) -> Result<Applied, StorageError> {
        let before = self.live_value(key)?.map(|(_, value)| value);
        let sum = match add_to_integer(before.as_deref(), delta) {
            Ok(sum) => sum,
            Err(error) => return Ok(Applied::Done(Err(error))),
        };
        let entry = (key.to_vec(), sum.to_string().into_bytes());
        self.set(&[entry], ExpiryChange::Keep, quota, Outcome::Sum(sum))
    }

    fn set_ttl(
        &mut self,
        key: &[u8],
        change: ExpiryChange<std::time::Duration>,
    ) -> Result<Applied, StorageError> {
        let found = self.live_value(key)?;
        if let Some((_, value)) = &found {
            let expiry = match change {
                ExpiryChange::Set(ttl) => wall_after(self.now, ttl),
                ExpiryChange::Keep | ExpiryChange::Clear => NEVER,
            };
            self.put(key, value, ExpiryChange::Set(expiry))?;
        }
        Ok(Applied::Done(Ok(Outcome::Matched(found.is_some()))))
    }

    /// Sets all entries, or none if they would exceed the quota. No two entries have the same key, and all have the same
    /// owner.
    fn set(
        &mut self,
        entries: &[(Vec<u8>, Vec<u8>)],
        change: ExpiryChange<WallMillis>,
        quota: u64,
        outcome: Outcome,
    ) -> Result<Applied, StorageError> {
        if let Some(refused) = self.make_room(entries, quota)? {
            return Ok(refused);
        }
        for (key, value) in entries {
            self.put(key, value, change)?;
        }
        Ok(Applied::Done(Ok(outcome)))
    }

    /// Removes expired entries if the quota needs their bytes. Returns `None` if there is room for the entries.
    fn make_room(
        &mut self,
        entries: &[(Vec<u8>, Vec<u8>)],
        quota: u64,
    ) -> Result<Option<Applied>, StorageError> {
        let Some((first, _)) = entries.first() else { return Ok(None) };
        let owner = owner_of(first);
        let after: u64 = entries.iter().map(|(key, value)| counted_bytes(key, value.len())).sum();
        // Usually there is room even if nothing is replaced.
        if self.used(owner).saturating_add(after) <= quota {
            return Ok(None);
        }
        let mut before = 0;
        for (key, _) in entries {
            before += self.live_value(key)?.map_or(0, |(_, it)| counted_bytes(key, it.len()));
        }
        // Entries that do not grow are accepted even if the operator has lowered the quota. Entries that have expired are
        // among those that are removed.
        while after > before && self.used(owner) - before + after > quota {
            if !self.has_expired(owner)? {
                let quota = usize::try_from(quota).unwrap_or(usize::MAX);
                return Ok(Some(Applied::Done(Err(KeyvalueError::QuotaExceeded { quota }))));
            }
            if !self.purge(owner)? {
                return Ok(Some(Applied::Later));
            }
        }
        Ok(None)
    }

    /// Returns the time of expiry and the value of a key that has not expired.
    fn live_value(&self, key: &[u8]) -> Result<Option<(WallMillis, Vec<u8>)>, StorageError> {
        let Some(stored) = self.entries.get(key)? else { return Ok(None) };
        let (expiry, value) = decode_value(stored.value());
        Ok(is_live(expiry, self.now).then(|| (expiry, value.to_vec())))
    }

    fn put(
        &mut self,
        key: &[u8],
        value: &[u8],
        change: ExpiryChange<WallMillis>,
    ) -> Result<(), StorageError> {
        let expiry = match change {
            ExpiryChange::Keep => self.live_value(key)?.map_or(NEVER, |(expiry, _)| expiry),
            ExpiryChange::Clear => NEVER,
            ExpiryChange::Set(expiry) => expiry,
        };
        let stored = encode_value(expiry, value);
        let before = self.entries.insert(key, stored.as_slice())?.map(|before| {
            let (expiry, value) = decode_value(before.value());
            (expiry, counted_bytes(key, value.len()))
        });
        let (old_expiry, old_bytes) = before.unwrap_or((NEVER, 0));
        if old_expiry != expiry {
            self.forget_expiry(old_expiry, key)?;
            if expiry != NEVER {
                self.expiries.insert(expiry_key(expiry, key).as_slice(), ())?;
            }
        }
        self.count(key, old_bytes, counted_bytes(key, value.len()));
        Ok(())
    }

    fn remove(&mut self, key: &[u8]) -> Result<(), StorageError> {
        let removed = self.entries.remove(key)?.map(|before| {
            let (expiry, value) = decode_value(before.value());
            (expiry, counted_bytes(key, value.len()))
        });
        if let Some((expiry, bytes)) = removed {
            self.forget_expiry(expiry, key)?;
            self.count(key, bytes, 0);
        }
        Ok(())
    }

    fn forget_expiry(&mut self, expiry: WallMillis, key: &[u8]) -> Result<(), StorageError> {
        if expiry != NEVER {
            self.expiries.remove(expiry_key(expiry, key).as_slice())?;
        }
        Ok(())
    }

    /// Whether there are expired entries of an owner.
    fn has_expired(&self, owner: &[u8]) -> Result<bool, StorageError> {
        let Range { start, end } = expired_keys(owner, self.now);
        let expired = self.expiries.range(start.as_slice()..end.as_slice())?.next();
        Ok(expired.transpose()?.is_some())
    }

    /// Removes expired entries of one owner for a write. Returns whether the transaction may do so: only once for an
    /// owner, and for a few owners, so that no tenant holds up the writes of the others.
    fn purge(&mut self, owner: &[u8]) -> Result<bool, StorageError> {
        if self.purged.len() == MAX_PURGED_OWNERS || self.purged.iter().any(|it| it == owner) {
            return Ok(false);
        }
        self.purged.push(owner.to_vec());
        self.remove_expired(owner, MAX_REMOVED)?;
        Ok(true)
    }

    /// Returns the first owner with entries that expire, from a key of the index on.
    pub(super) fn expiring_owner(&self, from: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let next = self.expiries.range(from..)?.next().transpose()?;
        Ok(next.map(|(key, _)| owner_of(key.value()).to_vec()))
    }

    /// Removes at most `most` expired entries of an owner. Returns their number.
    pub(super) fn remove_expired(
        &mut self,
        owner: &[u8],
        most: usize,
    ) -> Result<usize, StorageError> {
        let Range { start, end } = expired_keys(owner, self.now);
        let mut due = Vec::new();
        for row in self.expiries.range(start.as_slice()..end.as_slice())?.take(most) {
            due.push(row?.0.value().to_vec());
        }
        for expiry_key in &due {
            self.remove(&entry_key_of(expiry_key))?;
            self.expiries.remove(expiry_key.as_slice())?;
        }
        self.has_changes |= !due.is_empty();
        Ok(due.len())
    }

    fn used(&self, owner: &[u8]) -> u64 {
        let used = self.changed.get(owner).or_else(|| self.committed.get(owner));
        used.copied().unwrap_or_default()
    }

    /// Records that an entry counts for other bytes.
    fn count(&mut self, key: &[u8], before: u64, after: u64) {
        let owner = owner_of(key);
        let used = (self.used(owner) + after).saturating_sub(before);
        match self.changed.get_mut(owner) {
            Some(changed) => *changed = used,
            None => drop(self.changed.insert(owner.to_vec(), used)),
        }
        self.has_changes = true;
    }
}

#[cfg(test)]
mod tests;
