//! The place of a room in the store.

use std::sync::Arc;

use narrowboat_core::alarm_time::AlarmTime;
use narrowboat_core::name::Tenant;
use narrowboat_core::room_name::RoomName;

use crate::Bucket;

/// The place of a room in the store.
///
/// Neither the name of a plugin nor that of a room has a space, and names of plugins begin with a letter or a digit. So no two
/// of the keys here are equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RoomKey {
    pub(crate) bucket: Bucket,
    pub(crate) plugin: Arc<str>,
    pub(crate) room: RoomName,
}

impl RoomKey {
    /// The room of a plugin of a tenant.
    #[must_use]
    pub fn new(tenant: &Tenant, plugin: &Arc<str>, room: &RoomName) -> Self {
        Self { bucket: Bucket::rooms(tenant), plugin: Arc::clone(plugin), room: room.clone() }
    }

    /// The key of the record.
    #[must_use]
    pub fn record_key(&self) -> String {
        format!("{}{}", record_prefix(&self.plugin), self.room)
    }

    /// The key of the alarm.
    pub(crate) fn alarm_key(&self) -> String {
        format!("#{} {}", self.plugin, self.room)
    }

    /// The key by which the alarm is found in the order of time.
    pub(crate) fn alarm_index_key(&self, time: AlarmTime) -> String {
        format!("{}{:020} {}", alarm_index_prefix(&self.plugin), time.as_millis(), self.room)
    }
}

/// The beginning of the keys of the records of a plugin's rooms.
#[must_use]
pub(crate) fn record_prefix(plugin: &str) -> String {
    format!("{plugin} ")
}

/// The beginning of the keys by which the alarms of a plugin's rooms are found.
pub(crate) fn alarm_index_prefix(plugin: &str) -> String {
    format!("@{plugin} ")
}

/// Reads the rest of such a key.
pub(crate) fn parse_alarm_index(rest: &str) -> Option<(AlarmTime, RoomName)> {
    let (time, room) = rest.split_once(' ')?;
    Some((AlarmTime::from_millis(time.parse().ok()?), RoomName::parse(room)?))
}
