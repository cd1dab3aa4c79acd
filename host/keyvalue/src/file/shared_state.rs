//! The state that the writer thread shares with readers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::snapshot::Snapshot;
use crate::StoreCondition;

/// The state that the writer thread shares with readers.
#[derive(Debug)]
pub(super) struct SharedState {
    snapshot: RwLock<Arc<Snapshot>>,
    usage: Mutex<HashMap<Vec<u8>, u64>>,
    condition: Mutex<StoreCondition>,
}

impl SharedState {
    pub(super) fn new(snapshot: Snapshot, usage: HashMap<Vec<u8>, u64>) -> Self {
        Self {
            snapshot: RwLock::new(Arc::new(snapshot)),
            usage: Mutex::new(usage),
            condition: Mutex::new(StoreCondition::Healthy),
        }
    }

    /// Returns the bytes that the entries of an owner count for.
    pub(super) fn used_bytes(&self, owner: &[u8]) -> u64 {
        ignore_poison(self.usage.lock()).get(owner).copied().unwrap_or_default()
    }

    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        let snapshot = ignore_poison(self.snapshot.read());
        Arc::clone(&*snapshot)
    }

    pub(super) fn set_snapshot(&self, snapshot: Snapshot) {
        let snapshot = Arc::new(snapshot);
        // The snapshot before is dropped after the lock is released.
        let _before = std::mem::replace(&mut *ignore_poison(self.snapshot.write()), snapshot);
    }

    pub(super) fn set_usage(&self, usage: HashMap<Vec<u8>, u64>) {
        *ignore_poison(self.usage.lock()) = usage;
    }

    pub(super) fn change_usage(&self, changed: HashMap<Vec<u8>, u64>) {
        ignore_poison(self.usage.lock()).extend(changed);
    }

    pub(super) fn condition(&self) -> StoreCondition {
        ignore_poison(self.condition.lock()).clone()
    }

    pub(super) fn set_condition(&self, condition: StoreCondition) {
        *ignore_poison(self.condition.lock()) = condition;
    }
}

/// A lock of a value that is only replaced as a whole.
fn ignore_poison<T>(locked: Result<T, PoisonError<T>>) -> T {
    locked.unwrap_or_else(PoisonError::into_inner)
}
