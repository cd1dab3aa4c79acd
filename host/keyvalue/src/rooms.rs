//! The states of rooms, which the host itself stores: a record, an alarm, and a lease where several hosts share a store.

mod alarm_page;
mod room_key;
mod room_lease;
mod room_states;
mod stored_room;

pub use alarm_page::AlarmPage;
pub use room_key::RoomKey;
pub(crate) use room_lease::LeaseToken;
pub use room_lease::RoomLease;
pub use stored_room::{
    AlarmChange, RecordChange, RoomChange, RoomOpening, StoredAlarm, StoredRoom,
};
