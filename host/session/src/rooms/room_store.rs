//! The state of the rooms of a plugin in the key-value store.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::room_record::RoomRecord;
use narrowboat_core::name::Tenant;
use narrowboat_core::room_name::RoomName;
use narrowboat_keyvalue::{
    AlarmChange, AlarmPage, KeyvalueError, KeyvalueStore, RecordChange, RoomChange, RoomKey,
    RoomLease, RoomOpening, StoredAlarm, StoredRoom,
};
use narrowboat_quota::QuotaChain;
use narrowboat_runtime::Plugin;

/// The state of the rooms of a plugin in the key-value store. It counts in the quota of the tenant.
#[derive(Debug, Clone)]
pub(crate) struct RoomStore {
    store: Arc<KeyvalueStore>,
    tenant: Tenant,
    plugin: Arc<str>,
    quota: Arc<QuotaChain>,
}

/// What the store has of a room, for the host that owns the room from now on.
#[derive(Debug)]
pub(crate) struct OwnedRoom {
    pub(crate) lease: RoomLease,
    /// The record; [`RoomStoreError::Damaged`] if it cannot be read.
    pub(crate) record: Result<Option<RoomRecord>, RoomStoreError>,
    pub(crate) alarm: Option<StoredAlarm>,
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
    /// Another host owns the room. Its lease ends after this time, unless that host renews it.
    #[error("another host owns the room")]
    OwnedElsewhere(Duration),
}

impl RoomStoreError {
    /// Whether the store may have made the change nevertheless.
    pub(crate) fn is_uncertain(&self) -> bool {
        let is_certain = matches!(
            self,
            Self::Store(KeyvalueError::QuotaExceeded { .. } | KeyvalueError::LeaseLost)
        );
        !is_certain
    }
}

impl RoomStore {
    pub(crate) fn new(plugin: &Plugin) -> Self {
        Self {
            store: Arc::clone(&plugin.keyvalue),
            tenant: plugin.tenant.clone(),
            plugin: Arc::clone(&plugin.name),
            quota: Arc::clone(&plugin.quota),
        }
    }

    /// Becomes the owner of a room, and reads what the store has of it.
    pub(crate) async fn open(&self, room: &RoomName) -> Result<OwnedRoom, RoomStoreError> {
        let (lease, StoredRoom { record, alarm }) =
            match self.store.open_room(&self.key(room)).await? {
                RoomOpening::Opened(lease, stored) => (lease, stored),
                RoomOpening::OwnedElsewhere(left) => {
                    return Err(RoomStoreError::OwnedElsewhere(left));
                }
            };
        let decode = |bytes: Vec<u8>| RoomRecord::decode(&bytes).ok_or(RoomStoreError::Damaged);
        Ok(OwnedRoom { lease, record: record.map(decode).transpose(), alarm })
    }

    /// Whether a room has a record or an alarm.
    pub(crate) async fn has(&self, room: &RoomName) -> Result<bool, RoomStoreError> {
        Ok(self.store.read_room(&self.key(room)).await? != StoredRoom::default())
    }

    /// Changes the record and the alarm of a room. The change is durable when this returns, if the store is.
    pub(crate) async fn change(
        &self,
        room: &RoomName,
        lease: &RoomLease,
        record: Option<&RoomRecord>,
        alarm: Option<AlarmChange>,
    ) -> Result<(), RoomStoreError> {
        let record = record.map_or(RecordChange::Keep, |it| RecordChange::Set(it.encode()));
        let change = RoomChange { record, alarm };
        Ok(self.store.change_room(&self.key(room), lease, change, &self.quota).await?)
    }

    /// Deletes the record and the alarm of a room.
    pub(crate) async fn delete(
        &self,
        room: &RoomName,
        lease: &RoomLease,
        alarm: Option<StoredAlarm>,
    ) -> Result<(), RoomStoreError> {
        let alarm = AlarmChange { from: alarm.map(|alarm| alarm.time), to: None };
        let change = RoomChange { record: RecordChange::Delete, alarm: Some(alarm) };
        Ok(self.store.change_room(&self.key(room), lease, change, &self.quota).await?)
    }

    /// Gives up a room, so that another host can open it at once.
    pub(crate) async fn close(
        &self,
        room: &RoomName,
        lease: &RoomLease,
    ) -> Result<(), RoomStoreError> {
        Ok(self.store.close_room(&self.key(room), lease).await?)
    }

    /// Renews leases. One that has been lost is marked.
    pub(crate) async fn renew(
        &self,
        leases: Vec<(RoomName, Arc<RoomLease>)>,
    ) -> Result<(), RoomStoreError> {
        let leases: Vec<_> =
            leases.into_iter().map(|(room, lease)| (self.key(&room), lease)).collect();
        Ok(self.store.renew_leases(&self.tenant, &leases).await?)
    }

    /// Lists a page of alarms, the earliest first.
    pub(crate) async fn list_alarms(
        &self,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<AlarmPage, RoomStoreError> {
        Ok(self.store.list_alarms(&self.tenant, &self.plugin, cursor, limit).await?)
    }

    /// Lists a page of the rooms that have a record. `show` gets each name, its record, or `None` in the place of a record
    /// that cannot be read, and its alarm. `cursor` is the one of the page before; the next one is returned.
    pub(crate) async fn list<T>(
        &self,
        cursor: Option<&str>,
        limit: usize,
        show: impl Fn(RoomName, Option<RoomRecord>, Option<StoredAlarm>) -> T,
    ) -> Result<(Vec<T>, Option<String>), RoomStoreError> {
        let page = self.store.list_rooms(&self.tenant, &self.plugin, cursor, limit).await?;
        let mut rooms = Vec::with_capacity(page.keys.len());
        for room in page.keys.iter().filter_map(|name| RoomName::parse(name)) {
            // A room may have been reset meanwhile.
            let stored = self.store.read_room(&self.key(&room)).await?;
            if let Some(bytes) = stored.record {
                rooms.push(show(room, RoomRecord::decode(&bytes), stored.alarm));
            }
        }
        Ok((rooms, page.cursor))
    }

    fn key(&self, room: &RoomName) -> RoomKey {
        RoomKey::new(&self.tenant, &self.plugin, room)
    }
}
