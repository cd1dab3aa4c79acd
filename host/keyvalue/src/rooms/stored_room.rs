//! What the store has of a room, and changes of that.

use std::time::Duration;

use narrowboat_core::alarm_time::AlarmTime;

use super::room_lease::RoomLease;

/// What the store has of a room.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredRoom {
    /// The bytes of the record.
    pub record: Option<Vec<u8>>,
    /// The alarm.
    pub alarm: Option<StoredAlarm>,
}

/// The alarm of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredAlarm {
    /// When the guest is called.
    pub time: AlarmTime,
    /// The number of calls that have failed.
    pub attempts: u32,
}

/// The result of opening a room.
#[derive(Debug)]
pub enum RoomOpening {
    /// This host owns the room from now on.
    Opened(RoomLease, StoredRoom),
    /// Another host owns the room. Its lease ends after this time, unless that host renews it.
    OwnedElsewhere(Duration),
}

/// A change of what the store has of a room. All of it takes place at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoomChange {
    /// The change of the record.
    pub record: RecordChange,
    /// The change of the alarm; `None` if it stays.
    pub alarm: Option<AlarmChange>,
}

/// A change of the record of a room.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RecordChange {
    /// The record stays.
    #[default]
    Keep,
    /// These bytes replace the record.
    Set(Vec<u8>),
    /// The record is deleted.
    Delete,
}

/// A change of the alarm of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlarmChange {
    /// The alarm that the store has.
    pub from: Option<AlarmTime>,
    /// The alarm that it has afterwards.
    pub to: Option<StoredAlarm>,
}

impl StoredAlarm {
    /// An alarm whose guest has not been called yet.
    #[must_use]
    pub fn new(time: AlarmTime) -> Self {
        Self { time, attempts: 0 }
    }

    /// The value of its key.
    pub(crate) fn encode(self) -> String {
        format!("{} {}", self.time.as_millis(), self.attempts)
    }

    /// Reads such a value. `None` if there is no alarm.
    pub(crate) fn decode(value: &[u8]) -> Option<Self> {
        let (time, attempts) = std::str::from_utf8(value).ok()?.split_once(' ')?;
        let time = AlarmTime::from_millis(time.parse().ok()?);
        Some(Self { time, attempts: attempts.parse().ok()? })
    }
}

impl RoomChange {
    /// Whether the change changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.record == RecordChange::Keep && self.alarm.is_none()
    }
}
