//! Instances of a source plugin that are loaded before a connection needs them.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use narrowboat_runtime::{Instance, Version};

/// Instances of a source plugin that are loaded before a connection needs them, because loading takes milliseconds. Only
/// a plugin with an instance for each connection has them, and only while it gets connections.
#[derive(Default)]
pub(super) struct ReadyInstances {
    instances: Mutex<Vec<Instance>>,
    /// Whether a task fills the list.
    pub(super) is_filled: AtomicBool,
    pub(super) was_taken: Notify,
}

impl ReadyInstances {
    /// Takes an instance of `version`. Drops those of other versions.
    pub(super) fn take(&self, version: &Arc<Version>) -> Option<Instance> {
        let mut instances = self.lock();
        let outdated: Vec<_> = instances
            .extract_if(.., |instance| !Arc::ptr_eq(instance.version(), version))
            .collect();
        let taken = instances.pop();
        drop(instances);
        drop(outdated);
        taken
    }

    /// Ends the task that fills the list, which sees that the plugin is retired.
    pub(super) fn retire(&self) {
        self.was_taken.notify_one();
    }

    pub(super) fn clear(&self) {
        let instances = std::mem::take(&mut *self.lock());
        drop(instances);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Vec<Instance>> {
        self.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
