//! The room of an instance, as the instance and its owner know it.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use narrowboat_core::alarm_time::AlarmTime;
use narrowboat_core::room_name::RoomName;
use narrowboat_keyvalue::RoomLease;
use tokio::sync::Notify;

/// The room of an instance. It outlives the instance, and belongs to the task that owns the room.
#[derive(Debug)]
pub struct RoomLink {
    /// The name of the room.
    pub name: RoomName,
    /// The lease of the room. Set before the instance is made.
    pub lease: OnceLock<Arc<RoomLease>>,
    alarm: Mutex<Option<AlarmTime>>,
    changed: Notify,
}

impl RoomLink {
    /// A room without an alarm.
    pub fn new(name: RoomName) -> Self {
        Self { name, lease: OnceLock::new(), alarm: Mutex::default(), changed: Notify::new() }
    }

    /// The time of the alarm, as the guest has set it last.
    pub fn alarm(&self) -> Option<AlarmTime> {
        *self.lock()
    }

    /// Sets or removes the alarm.
    pub fn set_alarm(&self, time: Option<AlarmTime>) {
        *self.lock() = time;
    }

    /// Whether this host still owns the room. Effects of a room that it does not own do not take place.
    pub fn is_owned(&self) -> bool {
        self.lease.get().is_none_or(|lease| lease.is_valid())
    }

    /// Waits until [`RoomLink::notify`] is called. One call before this is not missed.
    pub async fn wait_for_change(&self) {
        self.changed.notified().await;
    }

    /// Lets the owner of the room look at it again.
    pub fn notify(&self) {
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Option<AlarmTime>> {
        // No code panics between two writes under this lock, so a poisoned value is consistent.
        self.alarm.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
