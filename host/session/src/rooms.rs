//! Rooms: shared instances with a name, whose state outlives them.
//!
//! `room_table` has the rooms that are awake, and `open_room` is the part of such a room that its owner task has.
//! `room_presence` counts the visitors. `room_store` reads and writes the state of rooms that sleep, each in a
//! `room_record`. The owner task is that of a shared instance, in `shared`.

mod alarm_queue;
mod awake_room;
mod end_room;
mod open_room;
mod room_alarm;
mod room_counters;
mod room_owners;
mod room_presence;
mod room_record;
mod room_store;
mod room_table;
mod sleeping_room;
mod visitor_record;
mod wake_attempts;

pub use awake_room::AwakeRoom;
pub(super) use end_room::EndRoom;
pub use end_room::RoomEnd;
pub(super) use open_room::{OpenRoom, RoomDuty};
pub use room_counters::RoomCounters;
pub use room_owners::RoomOwners;
pub(super) use room_owners::RoomOwnership;
pub(super) use room_presence::RoomVisit;
pub(super) use room_record::{RoomRecord, SavedRoomState};
pub use room_store::RoomStoreError;
pub(super) use room_store::{OwnedRoom, RoomStore};
pub(super) use room_table::RoomTable;
pub use sleeping_room::{SleepingRoom, SleepingRoomPage, SleepingRoomState};
pub(super) use wake_attempts::WakeAttempts;
