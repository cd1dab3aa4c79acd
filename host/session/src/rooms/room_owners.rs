//! The owners of rooms: at most one in a process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use tokio::sync::{self, Notify, OwnedMutexGuard};

use narrowboat_core::room_name::RoomName;
use narrowboat_runtime::Plugin;

/// The rooms of all plugins of a host that have an owner. A reload that replaces a plugin makes new tasks for its rooms,
/// which wait here until the tasks of the plugin before have saved theirs.
#[derive(Debug, Default)]
pub struct RoomOwners {
    rooms: Mutex<FxHashMap<Arc<str>, Arc<sync::Mutex<()>>>>,
    released: Notify,
}

/// The ownership of a room, or a place in the queue for it. Dropping it lets the next owner have the room.
pub(crate) struct RoomOwnership {
    owners: Arc<RoomOwners>,
    key: Arc<str>,
    guard: Option<OwnedMutexGuard<()>>,
}

impl RoomOwners {
    /// Waits until a room has no owner, and becomes its owner.
    pub(crate) async fn acquire(
        self: &Arc<Self>,
        plugin: &Plugin,
        room: &RoomName,
    ) -> RoomOwnership {
        // Made before the wait, so that an owner that stops waiting leaves no entry.
        let (mut ownership, lock) = self.queue_for(plugin, room);
        ownership.guard = Some(lock.lock_owned().await);
        ownership
    }

    /// Becomes the owner of a room that has none.
    pub(crate) fn try_acquire(
        self: &Arc<Self>,
        plugin: &Plugin,
        room: &RoomName,
    ) -> Option<RoomOwnership> {
        let (mut ownership, lock) = self.queue_for(plugin, room);
        ownership.guard = Some(lock.try_lock_owned().ok()?);
        Some(ownership)
    }

    /// Takes a place in the queue for a room. Returns the lock of the room too.
    fn queue_for(
        self: &Arc<Self>,
        plugin: &Plugin,
        room: &RoomName,
    ) -> (RoomOwnership, Arc<sync::Mutex<()>>) {
        let key: Arc<str> = format!("{} {} {room}", plugin.tenant, plugin.name).into();
        let lock = Arc::clone(self.lock().entry(Arc::clone(&key)).or_default());
        (RoomOwnership { owners: Arc::clone(self), key, guard: None }, lock)
    }

    /// Waits until no room has an owner.
    pub async fn wait_until_free(&self) {
        loop {
            let released = self.released.notified();
            if self.lock().is_empty() {
                return;
            }
            released.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, FxHashMap<Arc<str>, Arc<sync::Mutex<()>>>> {
        // No code panics between two writes under this lock, so a poisoned map is consistent.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RoomOwnership {
    fn drop(&mut self) {
        drop(self.guard.take());
        let mut rooms = self.owners.lock();
        // Others that wait for the room have a reference.
        if rooms.get(&self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            rooms.remove(&self.key);
        }
        drop(rooms);
        self.owners.released.notify_waiters();
    }
}
