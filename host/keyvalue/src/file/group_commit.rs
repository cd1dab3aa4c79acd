//! Changes that are committed together.

use std::collections::HashMap;

use redb::{ReadableTable, StorageError, Table, WriteTransaction};

use super::entry_key::{counted_bytes, owner_of};
use super::entry_value::{NEVER, WallMillis, decode_value, encode_value, is_live, wall_after};
use super::tables::{ENTRIES, EXPIRIES, USAGE};
use super::write_request::{Change, ChangeResult, Outcome};
use crate::KeyvalueError;
use crate::expiry_change::ExpiryChange;
use crate::integer::add_to_integer;

/// The most expired entries that are removed at once.
const MAX_REMOVED: usize = 256;

/// The tables of a transaction, and the usage that it has changed.
pub(super) struct GroupCommit<'a> {
    entries: Table<'a, &'static [u8], &'static [u8]>,
    expiries: Table<'a, &'static [u8], ()>,
    usage: Table<'a, &'static [u8], u64>,
    /// The usage after the last commit.
    committed: &'a HashMap<Vec<u8>, u64>,
    changed: HashMap<Vec<u8>, u64>,
    has_changes: bool,
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

    /// Applies a change. The outer error is one of the file, after which the transaction has to be aborted.
    pub(super) fn apply(&mut self, change: &Change) -> Result<ChangeResult, StorageError> {
        match change {
            Change::Set { entries, ttl, quota } => {
                let expiry = ttl.map_or(NEVER, |ttl| wall_after(self.now, ttl));
                self.set(entries, ExpiryChange::Set(expiry), *quota)
            }
            Change::Delete { keys } => {
                for key in keys {
                    self.remove(key)?;
                }
                Ok(Ok(Outcome::Done))
            }
            Change::Increment { key, delta, quota } => self.increment(key, *delta, *quota),
            Change::CompareAndSet { key, expected, value, quota } => {
                let before = self.live_value(key)?.map(|(_, value)| value);
                if before != *expected {
                    return Ok(Ok(Outcome::Matched(false)));
                }
                let entry = (key.clone(), value.clone());
                let set = self.set(&[entry], ExpiryChange::Keep, *quota)?;
                Ok(set.map(|_| Outcome::Matched(true)))
            }
            Change::SetTtl { key, change } => self.set_ttl(key, *change),
        }
    }

    fn increment(
        &mut self,
        key: &[u8],
        delta: i64,
        quota: u64,
    ) -> Result<ChangeResult, StorageError> {
        let before = self.live_value(key)?.map(|(_, value)| value);
        let sum = match add_to_integer(before.as_deref(), delta) {
            Ok(sum) => sum,
            Err(error) => return Ok(Err(error)),
        };
        let entry = (key.to_vec(), sum.to_string().into_bytes());
        Ok(self.set(&[entry], ExpiryChange::Keep, quota)?.map(|_| Outcome::Sum(sum)))
    }

    fn set_ttl(
        &mut self,
        key: &[u8],
        change: ExpiryChange<std::time::Duration>,
    ) -> Result<ChangeResult, StorageError> {
        let Some((_, value)) = self.live_value(key)? else {
            return Ok(Ok(Outcome::Matched(false)));
        };
        let expiry = match change {
            ExpiryChange::Set(ttl) => wall_after(self.now, ttl),
            ExpiryChange::Keep | ExpiryChange::Clear => NEVER,
        };
        self.put(key, &value, ExpiryChange::Set(expiry))?;
        Ok(Ok(Outcome::Matched(true)))
    }

    /// Sets all entries, or none if they would exceed the quota. No two entries have the same key, and all have the same
    /// owner.
    fn set(
        &mut self,
        entries: &[(Vec<u8>, Vec<u8>)],
        change: ExpiryChange<WallMillis>,
        quota: u64,
    ) -> Result<ChangeResult, StorageError> {
        let Some((first, _)) = entries.first() else { return Ok(Ok(Outcome::Done)) };
        let owner = owner_of(first).to_vec();
        let after: u64 = entries.iter().map(|(key, value)| counted_bytes(key, value.len())).sum();
        // Usually there is room even if nothing is replaced.
        if self.used(&owner).saturating_add(after) > quota {
            let mut before = 0;
            for (key, _) in entries {
                before += self.live_value(key)?.map_or(0, |(_, it)| counted_bytes(key, it.len()));
            }
            // Entries that do not grow are accepted even if the operator has lowered the quota. Entries that have expired
            // are among those that are removed.
            while after > before && self.used(&owner) - before + after > quota {
                let is_again = self.remove_expired()?;
                if !is_again && self.used(&owner) - before + after > quota {
                    let quota = usize::try_from(quota).unwrap_or(usize::MAX);
                    return Ok(Err(KeyvalueError::QuotaExceeded { quota }));
                }
            }
        }
        for (key, value) in entries {
            self.put(key, value, change)?;
        }
        Ok(Ok(Outcome::Done))
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

    /// Removes some of the entries that have expired. Returns whether there may be more.
    pub(super) fn remove_expired(&mut self) -> Result<bool, StorageError> {
        let end = self.now.saturating_add(1).to_be_bytes();
        let mut due = Vec::new();
        for row in self.expiries.range(..end.as_slice())?.take(MAX_REMOVED) {
            due.push(row?.0.value().to_vec());
        }
        for expiry_key in &due {
            self.remove(expiry_key.get(8..).unwrap_or_default())?;
            self.expiries.remove(expiry_key.as_slice())?;
        }
        Ok(due.len() == MAX_REMOVED)
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

/// Returns the key in the table of expiries.
fn expiry_key(expiry: WallMillis, key: &[u8]) -> Vec<u8> {
    [&expiry.to_be_bytes(), key].concat()
}
