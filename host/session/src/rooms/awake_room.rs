//! A room that is awake, as operators see it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::room_presence::RoomPresence;
use narrowboat_core::alarm_time::AlarmTime;
use narrowboat_core::room_name::RoomName;

/// A room that is awake, as operators see it.
#[derive(Debug, Clone)]
pub struct AwakeRoom {
    /// The name.
    pub name: RoomName,
    /// The number of visitors.
    pub visitors: usize,
    /// The time since the room woke.
    pub awake_for: Duration,
    /// The memory of the instance, in bytes, when the room was saved last, or its first visitor came or its last one left.
    pub memory_bytes: u64,
    /// The state that was saved or restored last, in bytes.
    pub state_bytes: u64,
    /// The time of the alarm.
    pub alarm: Option<AlarmTime>,
}

impl AwakeRoom {
    pub(super) fn new(name: &RoomName, presence: &RoomPresence) -> Self {
        Self {
            name: name.clone(),
            visitors: presence.visitors(),
            awake_for: presence.awake_since.elapsed(),
            memory_bytes: presence.memory_bytes.load(Ordering::Relaxed),
            state_bytes: presence.state_bytes.load(Ordering::Relaxed),
            alarm: presence.link.alarm(),
        }
    }
}
