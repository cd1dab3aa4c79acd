//! The operations of operators on the rooms of a plugin.

use std::time::Duration;

use tokio::sync::oneshot;

use super::instance_registry::InstanceRegistry;
use super::rooms::{
    AwakeRoom, EndRoom, OwnedRoom, RoomCounters, RoomEnd, RoomOwnership, RoomRecord, RoomStore,
    RoomStoreError, SleepingRoom, SleepingRoomPage,
};
use super::shared::Job;
use narrowboat_core::room_name::RoomName;
use narrowboat_runtime::TrialState;

/// The pause after which a room is looked for again that could neither be found awake nor be owned.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

impl InstanceRegistry {
    /// The rooms that are awake, in no order.
    pub fn awake_rooms(&self) -> Vec<AwakeRoom> {
        self.rooms.awake()
    }

    /// The number of rooms that are awake.
    pub fn awake_room_count(&self) -> usize {
        self.rooms.len()
    }

    /// The counters of the rooms since the host started.
    pub fn room_counters(&self) -> &RoomCounters {
        &self.rooms.counters
    }

    /// Lists a page of the rooms that sleep. `cursor` is the one of the page before. A page has about `limit` rooms.
    ///
    /// # Errors
    /// If the store does not respond, or did not return the cursor.
    pub async fn sleeping_rooms(
        &self,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<SleepingRoomPage, RoomStoreError> {
        let store = RoomStore::new(&self.plugin);
        let (mut rooms, cursor) = store.list(cursor, limit, SleepingRoom::new).await?;
        rooms.retain(|room| !self.rooms.is_awake(&room.name));
        Ok(SleepingRoomPage { rooms, cursor })
    }

    /// The trial state of a room that sleeps, if there is one that can be read.
    pub(super) async fn capture_sleeping_state(&self) -> Option<TrialState> {
        let show = |room, record, _| (room, record);
        let listed = RoomStore::new(&self.plugin).list(None, 1, show).await;
        let live = self.plugin.live_version().digest();
        let (room, record) = listed.ok()?.0.into_iter().next()?;
        let record: RoomRecord = record?;
        let record = record.for_version(live, &self.plugin.versions_before(live))?;
        TrialState::of_room(&self.plugin.quota, room, record.current.schema, record.current.state?)
    }

    /// Ends a room, which need not be awake. Returns whether there was such a room.
    ///
    /// # Errors
    /// If its state cannot be deleted, or another host has the room. The room goes on then.
    pub async fn end_room(&self, name: &RoomName, end: RoomEnd) -> Result<bool, RoomStoreError> {
        let store = RoomStore::new(&self.plugin);
        let exists = self.rooms.is_awake(name) || store.has(name).await?;
        loop {
            if let Some(result) = self.end_awake_room(name, end).await {
                return result.map(|()| true);
            }
            if !exists || end == RoomEnd::Close && !self.plugin.keyvalue.is_shared() {
                return Ok(exists);
            }
            if let Some(ownership) = self.room_owners.try_acquire(&self.plugin, name) {
                let store = RoomStore::new(&self.plugin);
                return end_sleeping_room(store, name.clone(), end, ownership).await.map(|()| true);
            }
            // The room wakes or goes to sleep at this moment.
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    /// Ends a room that is awake. `None` if it is not, or has ended by itself meanwhile.
    async fn end_awake_room(
        &self,
        name: &RoomName,
        end: RoomEnd,
    ) -> Option<Result<(), RoomStoreError>> {
        let instance = self.rooms.find(name)?;
        let (reply, receiver) = oneshot::channel();
        instance.send_job(Job::EndRoom(EndRoom { end, reply })).await;
        drop(instance);
        receiver.await.ok()
    }
}

/// Ends a room that does not run on this host. Runs to its end even if this future is dropped, so that no lease stays behind.
async fn end_sleeping_room(
    store: RoomStore,
    name: RoomName,
    end: RoomEnd,
    ownership: RoomOwnership,
) -> Result<(), RoomStoreError> {
    let ending = tokio::spawn(async move {
        let OwnedRoom { lease, alarm, .. } = store.open(&name).await?;
        let ended = match end {
            RoomEnd::Close => Ok(()),
            RoomEnd::Reset => store.delete(&name, &lease, alarm).await,
        };
        let closed = store.close(&name, &lease).await;
        drop(ownership);
        ended.and(closed)
    });
    match ending.await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
