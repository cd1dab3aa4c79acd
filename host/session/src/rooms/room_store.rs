//! The state of the rooms of a plugin in the key-value store.

use std::sync::Arc;

use thiserror::Error;

use super::room_record::RoomRecord;
use narrowboat_core::room_name::RoomName;
use narrowboat_keyvalue::{Bucket, KeyvalueError, KeyvalueStore};
use narrowboat_quota::QuotaChain;
use narrowboat_runtime::Plugin;

/// The state of the rooms of a plugin in the key-value store. It counts in the quota of the tenant.
#[derive(Debug, Clone)]
pub(crate) struct RoomStore {
    store: Arc<KeyvalueStore>,
    bucket: Bucket,
    plugin: Arc<str>,
    quota: Arc<QuotaChain>,
}

/// Why the state of a room cannot be read or written.
#[derive(Debug, Error)]
pub enum RoomStoreError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] KeyvalueError),
    /// The record cannot be read.
    #[error("its saved state is damaged, or a newer host wrote it")]
    Damaged,
}

impl RoomStore {
    pub(crate) fn new(plugin: &Plugin) -> Self {
        Self {
            store: Arc::clone(&plugin.keyvalue),
            bucket: Bucket::rooms(&plugin.tenant),
            plugin: Arc::clone(&plugin.name),
            quota: Arc::clone(&plugin.quota),
        }
    }

    /// Reads the record of a room; `None` if the room has none.
    pub(crate) async fn load(&self, room: &RoomName) -> Result<Option<RoomRecord>, RoomStoreError> {
        let bytes = self.store.get(&self.bucket, &self.key(room)).await?;
        bytes.map(|bytes| RoomRecord::decode(&bytes).ok_or(RoomStoreError::Damaged)).transpose()
    }

    /// Whether a room has a record.
    pub(crate) async fn has(&self, room: &RoomName) -> Result<bool, RoomStoreError> {
        Ok(self.store.exists(&self.bucket, &self.key(room)).await?)
    }

    /// Writes the record of a room. It is durable when this returns, if the store is.
    pub(crate) async fn save(
        &self,
        room: &RoomName,
        record: &RoomRecord,
    ) -> Result<(), RoomStoreError> {
        Ok(self.store.set(&self.bucket, &self.key(room), record.encode(), &self.quota).await?)
    }

    /// Deletes the record of a room.
    pub(crate) async fn delete(&self, room: &RoomName) -> Result<(), RoomStoreError> {
        Ok(self.store.delete(&self.bucket, &self.key(room)).await?)
    }

    /// Lists a page of the rooms that have a record. `show` gets each name and record, or `None` in the place of a record that
    /// cannot be read. `cursor` is the one of the page before; the next one is returned.
    pub(crate) async fn list<T>(
        &self,
        cursor: Option<&str>,
        limit: usize,
        show: impl Fn(RoomName, Option<RoomRecord>) -> T,
    ) -> Result<(Vec<T>, Option<String>), RoomStoreError> {
        let prefix = format!("{} ", self.plugin);
        let page = self.store.list(&self.bucket, &prefix, cursor, limit).await?;
        let mut rooms = Vec::with_capacity(page.keys.len());
        for key in page.keys {
            let Some(room) = key.strip_prefix(&prefix).and_then(RoomName::parse) else { continue };
            // A room may have been reset meanwhile.
            if let Some(bytes) = self.store.get(&self.bucket, &key).await? {
                rooms.push(show(room, RoomRecord::decode(&bytes)));
            }
        }
        Ok((rooms, page.cursor))
    }

    /// The key of a room. Neither the name of a plugin nor that of a room has a space.
    fn key(&self, room: &RoomName) -> String {
        format!("{} {room}", self.plugin)
    }
}
