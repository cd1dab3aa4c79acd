//! A room that sleeps, as operators see it.

use std::time::SystemTime;

use super::room_record::RoomRecord;
use narrowboat_core::alarm_time::AlarmTime;
use narrowboat_core::room_name::RoomName;
use narrowboat_keyvalue::StoredAlarm;
use narrowboat_runtime::Sha256Digest;

/// A room that sleeps, as operators see it.
#[derive(Debug, Clone)]
pub struct SleepingRoom {
    /// The name.
    pub name: RoomName,
    /// Its state; `None` if the record cannot be read.
    pub saved: Option<SleepingRoomState>,
    /// The time of the alarm.
    pub alarm: Option<AlarmTime>,
}

/// The saved state of a room, as operators see it.
#[derive(Debug, Clone)]
pub struct SleepingRoomState {
    /// The time of the save.
    pub saved_at: SystemTime,
    /// The version that saved it.
    pub version: Sha256Digest,
    /// The state, in bytes.
    pub state_bytes: u64,
}

/// A page of rooms that sleep.
#[derive(Debug, Clone)]
pub struct SleepingRoomPage {
    /// The rooms, in the order of their names, or in no order with Redis.
    pub rooms: Vec<SleepingRoom>,
    /// The cursor of the next page, if there is one.
    pub cursor: Option<String>,
}

impl SleepingRoom {
    pub(crate) fn new(
        name: RoomName,
        record: Option<RoomRecord>,
        alarm: Option<StoredAlarm>,
    ) -> Self {
        let saved = record.map(|RoomRecord { saved_at, current, .. }| SleepingRoomState {
            saved_at,
            version: current.version,
            state_bytes: current.state_len() as u64,
        });
        Self { name, saved, alarm: alarm.map(|alarm| alarm.time) }
    }
}
