//! The state of an instance and of its consumers at one moment.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::snapshot::{GuestSnapshot, ModuleState};
use crate::call::ConnectionId;
use crate::version::Version;

/// The snapshots of consumers. `None` for a consumer whose state is in the module's state.
pub(crate) type ConsumerSnapshots = FxHashMap<ConnectionId, Option<GuestSnapshot>>;

/// The state of an instance and of its consumers at one moment: when they left it for another version, when it was saved for
/// the case that it traps, or when its connection began to hibernate. Another instance goes on with it.
pub struct InstanceSnapshot {
    pub(crate) version: Arc<Version>,
    pub(crate) module: ModuleState,
    pub(crate) consumers: ConsumerSnapshots,
    /// Events that the instance had handled by then, if it still exists; else 0.
    pub(crate) event_count: u64,
}

impl InstanceSnapshot {
    /// The version of the instance.
    pub fn version(&self) -> &Arc<Version> {
        &self.version
    }

    /// The schema and the bytes of the module's state, if it has any.
    pub fn module_state(&self) -> Option<(u32, &[u8])> {
        self.module.snapshot().map(|saved| (saved.schema, &*saved.state))
    }

    /// Events that the instance had handled by then, if it still exists; else 0.
    pub fn event_count(&self) -> u64 {
        self.event_count
    }
}
