//! The rooms of a plugin that are awake.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;
use tokio::sync::mpsc;

use super::alarm_queue::AlarmQueue;
use super::awake_room::AwakeRoom;
use super::room_counters::RoomCounters;
use super::room_presence::{RoomPresence, RoomVisit};
use crate::shared::{JOB_QUEUE_LIMIT, Job, SharedInstance};
use narrowboat_core::room_name::RoomName;
use narrowboat_keyvalue::RoomLease;

/// The rooms of a plugin that are awake, each with the task that owns its instance.
#[derive(Default)]
pub(crate) struct RoomTable {
    rooms: Mutex<FxHashMap<RoomName, RoomEntry>>,
    pub(crate) counters: RoomCounters,
    /// The alarms of rooms that sleep.
    pub(crate) alarms: Arc<AlarmQueue>,
    /// Whether a task wakes rooms for their alarms.
    pub(crate) is_kept: AtomicBool,
    /// Rooms sleep as soon as they have no visitors: the plugin is retired, or the host stops.
    is_closing: AtomicBool,
}

/// A room that is awake.
struct RoomEntry {
    /// The handle that visitors get. It keeps the task running while the room has no visitors.
    instance: SharedInstance,
    presence: Arc<RoomPresence>,
}

impl RoomEntry {
    /// Starts the task of a room. `make_handle` makes the first handle to its instance.
    fn start(
        name: &RoomName,
        start_task: impl FnOnce(mpsc::Receiver<Job>, &SharedInstance, Arc<RoomPresence>),
        make_handle: impl FnOnce(&SharedInstance, &Arc<RoomPresence>) -> SharedInstance,
    ) -> (Self, SharedInstance) {
        let (jobs, queue) = mpsc::channel(JOB_QUEUE_LIMIT);
        let instance = SharedInstance::new(jobs);
        let presence = Arc::new(RoomPresence::new(name.clone()));
        start_task(queue, &instance, Arc::clone(&presence));
        let handle = make_handle(&instance, &presence);
        (Self { instance, presence }, handle)
    }
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
        let (entry, visitor) = RoomEntry::start(name, start_task, |instance, presence| {
            instance.for_visitor(RoomVisit::new(presence))
        });
        let replaced = rooms.insert(name.clone(), entry);
        drop(rooms);
        drop(replaced);
        visitor
    }

    /// Starts the task of a room that sleeps, without a visitor. Returns `None` if the room is awake.
    pub(crate) fn wake(
        &self,
        name: &RoomName,
        start_task: impl FnOnce(mpsc::Receiver<Job>, &SharedInstance, Arc<RoomPresence>),
    ) -> Option<SharedInstance> {
        let mut rooms = self.lock();
        if rooms.get(name).is_some_and(|entry| !entry.instance.has_ended()) {
            return None;
        }
        let (entry, handle) = RoomEntry::start(name, start_task, |instance, _| instance.clone());
        let replaced = rooms.insert(name.clone(), entry);
        drop(rooms);
        drop(replaced);
        Some(handle)
    }

    /// The leases of the rooms that are awake, and can end.
    pub(crate) fn leases(&self) -> Vec<(RoomName, Arc<RoomLease>)> {
        let rooms = self.lock();
        let leases = rooms.iter().filter_map(|(name, entry)| {
            let lease = entry.presence.link.lease.get()?;
            Some((name.clone(), Arc::clone(lease)))
        });
        leases.collect()
    }

    /// Lets the owner of a room look at it again.
    pub(crate) fn notify(&self, name: &RoomName) {
        if let Some(entry) = self.lock().get(name) {
            entry.presence.notify();
        }
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
        self.alarms.notify();
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
