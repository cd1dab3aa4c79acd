//! The state of a store after a commit.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use redb::{ReadOnlyTable, ReadableTable};

use super::entry_key::entry_key;
use super::entry_value::{NEVER, WallMillis, decode_value, is_live};
use super::open_database::OpenDatabase;
use super::tables::{ENTRIES, USAGE};
use crate::batch::check_batch_bytes;
use crate::page::MAX_PAGE_BYTES;
use crate::{Bucket, KeyTtl, KeyvalueError, Page};

/// The state of a store after a commit, which readers share. While it exists, redb overwrites none of its pages.
pub(super) struct Snapshot {
    entries: ReadOnlyTable<&'static [u8], &'static [u8]>,
    usage: ReadOnlyTable<&'static [u8], u64>,
    /// The database, which has to be open as long as something is read from it.
    _database: Arc<OpenDatabase>,
}

impl Snapshot {
    /// Takes the state after the last commit.
    pub(super) fn take(database: &Arc<OpenDatabase>) -> Result<Self, redb::Error> {
        let transaction = database.begin_read()?;
        Ok(Self {
            entries: transaction.open_table(ENTRIES)?,
            usage: transaction.open_table(USAGE)?,
            _database: Arc::clone(database),
        })
    }

    /// Returns the bytes that the entries of each owner count for.
    pub(super) fn usage(&self) -> Result<HashMap<Vec<u8>, u64>, KeyvalueError> {
        let rows = self
            .usage
            .iter()?
            .map(|row| row.map(|(owner, used)| (owner.value().to_vec(), used.value())));
        Ok(rows.collect::<Result<_, _>>()?)
    }

    pub(super) fn entries(&self) -> &ReadOnlyTable<&'static [u8], &'static [u8]> {
        &self.entries
    }

    /// Reads an entry, if the bucket has the key at `now`.
    pub(super) fn find<T>(
        &self,
        bucket: &Bucket,
        key: &str,
        now: WallMillis,
        read: impl FnOnce(WallMillis, &[u8]) -> T,
    ) -> Result<Option<T>, KeyvalueError> {
        let Some(stored) = self.entries.get(entry_key(bucket, key).as_slice())? else {
            return Ok(None);
        };
        let (expiry, value) = decode_value(stored.value());
        Ok(is_live(expiry, now).then(|| read(expiry, value)))
    }

    pub(super) fn get_many(
        &self,
        bucket: &Bucket,
        keys: &[String],
        now: WallMillis,
    ) -> Result<Vec<Option<Vec<u8>>>, KeyvalueError> {
        let (mut values, mut bytes) = (Vec::with_capacity(keys.len()), 0);
        for key in keys {
            let value = self.find(bucket, key, now, |_, value| value.to_vec())?;
            bytes += value.as_ref().map_or(0, Vec::len);
            check_batch_bytes(bytes)?;
            values.push(value);
        }
        Ok(values)
    }

    pub(super) fn ttl(
        &self,
        bucket: &Bucket,
        key: &str,
        now: WallMillis,
    ) -> Result<KeyTtl, KeyvalueError> {
        Ok(match self.find(bucket, key, now, |expiry, _| expiry)? {
            None => KeyTtl::Missing,
            Some(NEVER) => KeyTtl::Never,
            Some(expiry) => KeyTtl::Remaining(Duration::from_millis(expiry - now)),
        })
    }

    pub(super) fn list(
        &self,
        bucket: &Bucket,
        prefix: &str,
        cursor: Option<&str>,
        limit: usize,
        now: WallMillis,
    ) -> Result<Page, KeyvalueError> {
        let (bucket_start, wanted) = (entry_key(bucket, "").len(), entry_key(bucket, prefix));
        let start = match cursor {
            // The key after the cursor in the order of bytes
            Some(cursor) if cursor >= prefix => entry_key(bucket, &format!("{cursor}\0")),
            _ => wanted.clone(),
        };
        let (mut keys, mut bytes): (Vec<String>, _) = (Vec::new(), 0);
        for row in self.entries.range(start.as_slice()..)? {
            let (key, stored) = row?;
            if !key.value().starts_with(&wanted) {
                break;
            }
            if !is_live(decode_value(stored.value()).0, now) {
                continue;
            }
            if keys.len() == limit || bytes >= MAX_PAGE_BYTES {
                let cursor = keys.last().cloned();
                return Ok(Page { keys, cursor });
            }
            let key = String::from_utf8_lossy(&key.value()[bucket_start..]).into_owned();
            bytes += key.len();
            keys.push(key);
        }
        Ok(Page { keys, cursor: None })
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Snapshot").finish_non_exhaustive()
    }
}

impl From<redb::Error> for KeyvalueError {
    fn from(error: redb::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<redb::StorageError> for KeyvalueError {
    fn from(error: redb::StorageError) -> Self {
        Self::Unavailable(error.to_string())
    }
}
