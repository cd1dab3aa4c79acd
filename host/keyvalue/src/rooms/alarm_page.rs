//! A page of alarms.

use narrowboat_core::alarm_time::AlarmTime;
use narrowboat_core::room_name::RoomName;

/// Some alarms of a plugin's rooms, the earliest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AlarmPage {
    /// The alarms. One that has changed since may be among them.
    pub alarms: Vec<(AlarmTime, RoomName)>,
    /// The cursor of the next page; `None` if this is the last page.
    pub cursor: Option<String>,
}
