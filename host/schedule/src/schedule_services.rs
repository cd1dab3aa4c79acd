//! The store and the clock that the schedules of a host share.

use std::sync::Arc;

use narrowboat_keyvalue::KeyvalueStore;

use crate::schedule_store::KeyvalueScheduleStore;
use crate::wall_clock::WallClock;

/// The store and the clock that the schedules of a host share.
#[derive(Clone)]
pub struct ScheduleServices {
    /// The store of the records.
    pub store: Arc<KeyvalueScheduleStore>,
    /// The wall clock of the host.
    pub clock: WallClock,
}

impl ScheduleServices {
    /// Schedules whose records are in a key-value store.
    pub fn new(keyvalue: Arc<KeyvalueStore>, clock: WallClock) -> Self {
        Self { store: Arc::new(KeyvalueScheduleStore::new(keyvalue)), clock }
    }
}
