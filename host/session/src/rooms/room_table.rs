//! The rooms of a plugin that are awake.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use tokio::sync::mpsc;

use super::awake_room::AwakeRoom;
use super::room_counters::RoomCounters;
use super::room_presence::{RoomPresence, RoomVisit};
use crate::shared::{JOB_QUEUE_LIMIT, Job, SharedInstance};
use narrowboat_core::room_name::RoomName;

/// The rooms of a plugin that are awake, each with the task that owns its instance.
#[derive(Default)]
pub(crate) struct RoomTable {
    rooms: Mutex<FxHashMap<RoomName, RoomEntry>>,
    pub(crate) counters: RoomCounters,
    /// Rooms sleep as soon as they have no visitors: the plugin is retired, or the host stops.
    is_closing: AtomicBool,
}

/// A room that is awake.
struct RoomEntry {
    /// The handle that visitors get. It keeps the task running while the room has no visitors.
    instance: SharedInstance,
    presence: Arc<RoomPresence>,
}

impl RoomTable {
    /// Returns the instance of a room for a new visitor. `start_task` starts the task of a room that sleeps or whose
    /// instance has failed; it gets the task's job queue, a handle to the instance, and the visitors.
    pub(crate) fn visit(
        &self,
        name: &RoomName,
        start_task: impl FnOnce(mpsc::Receiver<Job>, &SharedInstance, Arc<RoomPresence>),
    ) -> SharedInstance {
        let mut rooms = self.lock();
        let entry = rooms.get(name).filter(|entry| !entry.instance.has_ended());
        if let Some(RoomEntry { instance, presence }) = entry {
            return instance.for_visitor(RoomVisit::new(presence));
        }
        let (jobs, queue) = mpsc::channel(JOB_QUEUE_LIMIT);
        let (instance, presence) = (SharedInstance::new(jobs), Arc::new(RoomPresence::new()));
        start_task(queue, &instance, Arc::clone(&presence));
        let visitor = instance.for_visitor(RoomVisit::new(&presence));
        let replaced = rooms.insert(name.clone(), RoomEntry { instance, presence });
        drop(rooms);
        drop(replaced);
        visitor
    }

    /// Removes a room that has been saved, so that its next visitor wakes it. Returns false if it has a visitor again.
    pub(crate) fn remove_if_empty(&self, name: &RoomName, presence: &Arc<RoomPresence>) -> bool {
        let mut rooms = self.lock();
        if !presence.is_empty() {
            return false;
        }
        let removed = remove_entry(&mut rooms, name, presence);
        drop(rooms);
        drop(removed);
        true
    }

    /// Removes a room whose task has ended, unless another task has it by now.
    pub(crate) fn remove(&self, name: &RoomName, presence: &Arc<RoomPresence>) {
        let mut rooms = self.lock();
        let removed = remove_entry(&mut rooms, name, presence);
        drop(rooms);
        drop(removed);
    }

    /// The rooms that are awake, in no order.
    pub(crate) fn awake(&self) -> Vec<AwakeRoom> {
        let rooms = self.lock();
        rooms.iter().map(|(name, entry)| AwakeRoom::new(name, &entry.presence)).collect()
    }

    /// The number of rooms that are awake.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// The instance of a room that is awake. The handle does not count as a visit.
    pub(crate) fn find(&self, name: &RoomName) -> Option<SharedInstance> {
        self.lock().get(name).map(|entry| entry.instance.clone())
    }

    /// Whether a room is awake.
    pub(crate) fn is_awake(&self, name: &RoomName) -> bool {
        self.lock().contains_key(name)
    }

    /// Lets each room sleep as soon as it has no visitors, without `room_idle`.
    pub(crate) fn close(&self) {
        self.is_closing.store(true, Ordering::SeqCst);
        self.lock().values().for_each(|entry| entry.presence.notify());
    }

    /// Whether rooms sleep as soon as they have no visitors.
    pub(crate) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::SeqCst)
    }

    fn lock(&self) -> MutexGuard<'_, FxHashMap<RoomName, RoomEntry>> {
        // No code panics between two writes under this lock, so a poisoned table is consistent.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes the entry of a room, unless it belongs to another task by now.
fn remove_entry(
    rooms: &mut FxHashMap<RoomName, RoomEntry>,
    name: &RoomName,
    presence: &Arc<RoomPresence>,
) -> Option<RoomEntry> {
    let entry = rooms.get(name)?;
    if Arc::ptr_eq(&entry.presence, presence) { rooms.remove(name) } else { None }
}
