//! The JSON bodies about rooms.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The rooms that are awake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoomList {
    /// The number of rooms that are awake, including those that are not listed.
    pub total: u64,
    /// The rooms, those with the most visitors first, at most `limit` of the query.
    pub rooms: Vec<RoomInfo>,
}

/// A room that is awake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoomInfo {
    /// The tenant of the plugin.
    pub tenant: String,
    /// The plugin that serves it.
    pub plugin: String,
    /// The name of the room.
    pub room: String,
    /// The number of visitors.
    pub visitors: u64,
    /// Bytes of the instance's memory, when the room was saved last, its first visitor came or its last one left.
    pub memory_bytes: u64,
    /// Bytes of the state that was saved or restored last.
    pub state_bytes: u64,
    /// Seconds since the room woke.
    pub age_seconds: u64,
    /// The time of its alarm, in the form of RFC 3339; absent if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<String>,
}

/// A page of the rooms of a plugin that sleep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SleepingRoomList {
    /// The rooms, in the order of their names; in no order with Redis.
    pub rooms: Vec<SleepingRoomInfo>,
    /// The cursor of the next page, or null if this is the last one.
    pub cursor: Option<String>,
}

/// A room that sleeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SleepingRoomInfo {
    /// The name of the room.
    pub room: String,
    /// Bytes of its state, or null if the record cannot be read.
    pub state_bytes: Option<u64>,
    /// The time of the save in UTC, in the format of RFC 3339, or null.
    pub saved_at: Option<String>,
    /// The SHA-256 of the version that saved the state, or null.
    pub version: Option<String>,
    /// The time of its alarm, in the form of RFC 3339; absent if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<String>,
}
