//! Instances of a source plugin that are loaded before a connection needs them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use narrowboat_runtime::{Instance, Version};

/// Instances of a source plugin that are loaded before a connection needs them, because loading takes milliseconds. Only
/// a plugin with an instance for each connection has them.
#[derive(Default)]
pub(super) struct ReadyInstances {
    instances: Mutex<Vec<Instance>>,
    /// Whether a task fills the list.
    is_filled: AtomicBool,
    /// Wakes that task. A connection has its instance, or the plugin is retired or dropped.
    pub(super) taken: Arc<Notify>,
}

impl ReadyInstances {
    /// Records that a task fills the list. Returns whether it is the first one.
    pub(super) fn start_filling(&self) -> bool {
        !self.is_filled.swap(true, Ordering::AcqRel)
    }

    /// Takes an instance of `version`.
    pub(super) fn take(&self, version: &Version) -> Option<Instance> {
        let mut instances = self.lock();
        let position = instances.iter().rposition(|instance| is_of(instance, version))?;
        Some(instances.swap_remove(position))
    }

    /// Drops the instances of other versions than `version`, and those beyond `count`. Returns whether `count` are left.
    pub(super) fn retain(&self, version: &Version, count: usize) -> bool {
        let mut instances = self.lock();
        let mut dropped: Vec<_> =
            instances.extract_if(.., |instance| !is_of(instance, version)).collect();
        let kept = count.min(instances.len());
        dropped.extend(instances.drain(kept..));
        drop(instances);
        drop(dropped);
        kept == count
    }

    pub(super) fn push(&self, instance: Instance) {
        self.lock().push(instance);
    }

    /// Ends the task that fills the list, which sees that the plugin is retired.
    pub(super) fn retire(&self) {
        self.taken.notify_one();
    }

    pub(super) fn clear(&self) {
        let instances = std::mem::take(&mut *self.lock());
        drop(instances);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Instance>> {
        self.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ReadyInstances {
    /// Wakes the task, which ends because there is no registry any more.
    fn drop(&mut self) {
        self.taken.notify_one();
    }
}

fn is_of(instance: &Instance, version: &Version) -> bool {
    std::ptr::eq(&raw const **instance.version(), version)
}
