//! The settings of a plugin whose consumers are in rooms.

use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error as _};

use super::ManifestError;
use crate::room_template::RoomTemplate;
use crate::units::DurationSetting;

/// The time without visitors after which a room sleeps, in a manifest that does not set it.
const DEFAULT_IDLE: Duration = Duration::from_secs(30);

/// The shortest interval between two saves of a room.
const MIN_SAVE_INTERVAL: Duration = Duration::from_millis(100);

/// The settings of a plugin whose consumers are in rooms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomSettings {
    /// The URL parameters that name a room.
    pub template: RoomTemplate,
    /// The time without visitors after which a room is saved and its instance is dropped.
    pub idle: Duration,
    /// When the state of a room is saved.
    pub save: RoomSave,
}

/// When the state of a room is saved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RoomSave {
    /// When the room goes to sleep, and when the host stops. A host that dies loses what has happened since the room
    /// woke.
    #[default]
    Idle,
    /// Also in this interval, if there was an event.
    Interval(Duration),
    /// After each event. Its frames and other effects wait until the state is saved.
    Event,
}

impl<'de> Deserialize<'de> for RoomSave {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "idle" => return Ok(Self::Idle),
            "event" => return Ok(Self::Event),
            _ => {}
        }
        let interval =
            humantime::parse_duration(&text).ok().filter(|interval| *interval >= MIN_SAVE_INTERVAL);
        interval.map(Self::Interval).ok_or_else(|| {
            D::Error::custom(format!(
                "{text:?} is not a value of `room_save`; write \"idle\", \"event\", or an interval of at least 100ms such as \"5s\""
            ))
        })
    }
}

/// The keys of rooms in a manifest.
pub(super) struct RawRoomSettings {
    pub(super) room: Option<RoomTemplate>,
    pub(super) room_idle: Option<DurationSetting>,
    pub(super) room_save: Option<RoomSave>,
}

impl RawRoomSettings {
    /// Checks the keys of a plugin with rooms.
    pub(super) fn check(self) -> Result<RoomSettings, ManifestError> {
        Ok(RoomSettings {
            template: self.room.ok_or(ManifestError::NoRoomTemplate)?,
            idle: self.room_idle.map_or(DEFAULT_IDLE, DurationSetting::duration),
            save: self.room_save.unwrap_or_default(),
        })
    }

    /// Checks that a plugin without rooms has none of the keys.
    pub(super) fn check_absent(&self) -> Result<(), ManifestError> {
        let keys = [
            ("room", self.room.is_some()),
            ("room_idle", self.room_idle.is_some()),
            ("room_save", self.room_save.is_some()),
        ];
        match keys.into_iter().find(|(_, is_set)| *is_set) {
            Some((key, _)) => Err(ManifestError::RoomKeyWithoutRooms(key)),
            None => Ok(()),
        }
    }
}
