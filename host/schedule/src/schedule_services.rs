//! What the schedules of a host have in common.

use std::sync::Arc;

use narrowboat_keyvalue::KeyvalueStore;

use crate::schedule_store::KeyvalueScheduleStore;
use crate::wall_clock::WallClock;

/// What the schedules of a host have in common.
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
