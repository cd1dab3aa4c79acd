//! The states of rooms on every backend.

use std::sync::Arc;

use narrowboat_core::name::Tenant;
use narrowboat_quota::QuotaChain;

use super::alarm_page::AlarmPage;
use super::room_key::{RoomKey, alarm_index_prefix, parse_alarm_index, record_prefix};
use super::room_lease::RoomLease;
use super::stored_room::{
    AlarmChange, RecordChange, RoomChange, RoomOpening, StoredAlarm, StoredRoom,
};
use crate::keyvalue_store::{StoreBackend, record_quota_hit};
use crate::{Bucket, KeyvalueError, KeyvalueStore, Page};

impl KeyvalueStore {
    /// Becomes the owner of a room, and reads what the store has of it. In memory and in a file this process is the owner of
    /// all rooms; it has to keep two of its tasks from opening one room.
    ///
    /// # Errors
    /// If the store does not respond.
    pub async fn open_room(&self, room: &RoomKey) -> Result<RoomOpening, KeyvalueError> {
        if let StoreBackend::Redis(redis) = &self.backend {
            return redis.open_room(room).await;
        }
        let record = self.get(&room.bucket, &room.record_key()).await?;
        let alarm = self.get(&room.bucket, &room.alarm_key()).await?;
        let alarm = alarm.as_deref().and_then(StoredAlarm::decode);
        Ok(RoomOpening::Opened(RoomLease::endless(), StoredRoom { record, alarm }))
    }

    /// Changes what the store has of a room. It is durable when this returns, if the store is.
    ///
    /// # Errors
    /// As [`KeyvalueStore::set`]; and [`KeyvalueError::LeaseLost`] if another host owns the room, or the store has lost the
    /// lease. Nothing has changed then, unless the store did not respond.
    pub async fn change_room(
        &self,
        room: &RoomKey,
        lease: &RoomLease,
        change: RoomChange,
        quota_chain: &QuotaChain,
    ) -> Result<(), KeyvalueError> {
        if change.is_empty() {
            return Ok(());
        }
        let quota = self.limits.quota_bytes(&room.bucket, quota_chain);
        if let StoreBackend::Redis(redis) = &self.backend {
            let changed = redis.change_room(room, lease.token(), change, quota).await;
            if changed == Err(KeyvalueError::LeaseLost) {
                lease.mark_lost();
            }
            return record_quota_hit(changed, quota_chain);
        }
        let RoomEntries { index, entries, removed } = RoomEntries::of(room, change);
        // The key of the index takes the place of another one, so the quota is not asked. There is one for each alarm, whose own
        // key counts.
        self.set_room_entries(&room.bucket, index.clone(), usize::MAX).await?;
        let set = self.set_room_entries(&room.bucket, entries, quota).await;
        if set.is_err() {
            let added: Vec<_> = index.into_iter().map(|(key, _)| key).collect();
            self.delete_many(&room.bucket, &added).await?;
        }
        record_quota_hit(set, quota_chain)?;
        self.delete_many(&room.bucket, &removed).await
    }

    async fn set_room_entries(
        &self,
        bucket: &Bucket,
        entries: Vec<(String, Vec<u8>)>,
        quota: usize,
    ) -> Result<(), KeyvalueError> {
        match &self.backend {
            _ if entries.is_empty() => Ok(()),
            StoreBackend::Memory(memory) => memory.set(bucket, entries, None, quota),
            StoreBackend::File(file) => file.set(bucket, entries, None, quota).await,
            StoreBackend::Redis(_) => Ok(()),
        }
    }

    /// Gives up the lease of a room, so that another host can open it at once.
    ///
    /// # Errors
    /// If the store does not respond. The lease ends by itself then.
    pub async fn close_room(&self, room: &RoomKey, lease: &RoomLease) -> Result<(), KeyvalueError> {
        match &self.backend {
            StoreBackend::Redis(redis) => redis.close_room(room, lease.token()).await,
            StoreBackend::Memory(_) | StoreBackend::File(_) => Ok(()),
        }
    }

    /// Renews leases of rooms of one tenant. One that has been lost is marked.
    ///
    /// # Errors
    /// If the store does not respond.
    pub async fn renew_leases(
        &self,
        tenant: &Tenant,
        leases: &[(RoomKey, Arc<RoomLease>)],
    ) -> Result<(), KeyvalueError> {
        match &self.backend {
            StoreBackend::Redis(redis) if !leases.is_empty() => {
                redis.renew_leases(&Bucket::rooms(tenant), leases).await
            }
            _ => Ok(()),
        }
    }

    /// Whether several hosts may share the store, so that leases end.
    pub fn is_shared(&self) -> bool {
        matches!(self.backend, StoreBackend::Redis(_))
    }

    /// Lists a page of the keys of the records of a plugin's rooms. The pages are those of [`KeyvalueStore::list`].
    ///
    /// # Errors
    /// As [`KeyvalueStore::list`].
    pub async fn list_rooms(
        &self,
        tenant: &Tenant,
        plugin: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page, KeyvalueError> {
        let prefix = record_prefix(plugin);
        let mut page = self.list(&Bucket::rooms(tenant), &prefix, cursor, limit).await?;
        page.keys.iter_mut().for_each(|key| drop(key.drain(..prefix.len())));
        Ok(page)
    }

    /// Reads what the store has of a room that need not be this host's.
    ///
    /// # Errors
    /// If the store does not respond.
    pub async fn read_room(&self, room: &RoomKey) -> Result<StoredRoom, KeyvalueError> {
        let record = self.get(&room.bucket, &room.record_key()).await?;
        let alarm = self.get(&room.bucket, &room.alarm_key()).await?;
        Ok(StoredRoom { record, alarm: alarm.as_deref().and_then(StoredAlarm::decode) })
    }

    /// Lists a page of the alarms of a plugin's rooms, the earliest first. An alarm that is changed at this moment may come
    /// twice or not at all.
    ///
    /// # Errors
    /// If the store did not return the cursor, or does not respond.
    pub async fn list_alarms(
        &self,
        tenant: &Tenant,
        plugin: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<AlarmPage, KeyvalueError> {
        let bucket = Bucket::rooms(tenant);
        if let StoreBackend::Redis(redis) = &self.backend {
            return redis.list_alarms(&bucket, plugin, cursor, limit).await;
        }
        let prefix = alarm_index_prefix(plugin);
        let Page { keys, cursor } = self.list(&bucket, &prefix, cursor, limit).await?;
        let alarms = keys.iter().filter_map(|key| parse_alarm_index(key.strip_prefix(&prefix)?));
        Ok(AlarmPage { alarms: alarms.collect(), cursor })
    }
}

/// What a change does in a store that this process has alone. The key of the alarm is the truth about it: a host that dies in
/// between leaves at most a key of the index that leads to no alarm.
#[derive(Default)]
struct RoomEntries {
    /// The key of the index for the new alarm, which is set first.
    index: Vec<(String, Vec<u8>)>,
    /// The entries that are set at one moment.
    entries: Vec<(String, Vec<u8>)>,
    /// The keys that are removed afterwards.
    removed: Vec<String>,
}

impl RoomEntries {
    fn of(room: &RoomKey, change: RoomChange) -> Self {
        let mut own = Self::default();
        match change.record {
            RecordChange::Keep => {}
            RecordChange::Set(record) => own.entries.push((room.record_key(), record)),
            RecordChange::Delete => own.removed.push(room.record_key()),
        }
        if let Some(AlarmChange { from, to }) = change.alarm {
            let before = from.filter(|from| to.is_none_or(|to| to.time != *from));
            own.removed.extend(before.map(|before| room.alarm_index_key(before)));
            if let Some(to) = to {
                own.entries.push((room.alarm_key(), to.encode().into_bytes()));
                own.index.push((room.alarm_index_key(to.time), Vec::new()));
            } else {
                if !own.entries.is_empty() {
                    own.entries.push((room.alarm_key(), Vec::new()));
                }
                own.removed.push(room.alarm_key());
            }
        }
        own
    }
}
