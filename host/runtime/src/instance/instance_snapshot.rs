//! The state of an instance and of its consumers at one moment.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::lost_visitor::LostVisitor;
use super::snapshot::{GuestSnapshot, MigratingConsumer, ModuleState};
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
    /// The connections at that moment, by their identifiers.
    pub(crate) members: Vec<MigratingConsumer>,
    /// Consumers in the state whose connections had ended by then.
    pub(crate) ended: Vec<LostVisitor>,
    /// Events that the instance had handled by then, if it still exists; else 0.
    pub(crate) event_count: u64,
}

impl InstanceSnapshot {
    /// The version of the instance.
    pub fn version(&self) -> &Arc<Version> {
        &self.version
    }

    /// A snapshot without any state.
    pub(crate) fn without_state(version: Arc<Version>) -> Self {
        let consumers = ConsumerSnapshots::default();
        let (members, ended) = (Vec::new(), Vec::new());
        Self { version, module: ModuleState::None, consumers, members, ended, event_count: 0 }
    }

    /// Takes the consumers in the state that are not among `consumers`, which are ordered by their identifiers: their
    /// connections have ended since.
    pub(crate) fn take_ended(&mut self, consumers: &[MigratingConsumer]) -> Vec<LostVisitor> {
        let mut ended = std::mem::take(&mut self.ended);
        for MigratingConsumer { id, connection, scope } in std::mem::take(&mut self.members) {
            if consumers.binary_search_by_key(&id, |consumer| consumer.id).is_ok() {
                continue;
            }
            let Some(saved) = self.consumers.remove(&id) else { continue };
            let saved = saved.map(|saved| (saved.schema, saved.state));
            ended.push(LostVisitor { connection, scope, saved });
        }
        ended
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
