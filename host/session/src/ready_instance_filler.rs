//! Keeps instances of a source plugin ready while it gets connections.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::instance_registry::InstanceRegistry;
use narrowboat_core::manifest::Isolation;
use narrowboat_runtime::{Instance, Version};

/// Instances that a plugin keeps ready.
const MAX_READY_INSTANCES: usize = 4;

/// The time without a new connection after which a plugin keeps no instances ready.
const READY_TIME: Duration = Duration::from_secs(60);

impl InstanceRegistry {
    /// Takes an instance of `version` that is ready, and has others loaded.
    pub(super) fn take_ready_instance(
        self: &Arc<Self>,
        version: &Arc<Version>,
    ) -> Option<Instance> {
        if !version.is_source() || self.plugin.isolation != Isolation::Connection {
            return None;
        }
        let taken = self.ready.take(version);
        self.ready.was_taken.notify_one();
        if !self.ready.is_filled.swap(true, Ordering::AcqRel) {
            tokio::spawn(keep_filled(Arc::downgrade(self)));
        }
        taken
    }

    /// Loads instances until enough are ready, or a limit is reached.
    async fn fill_ready_instances(&self) {
        loop {
            let version = self.plugin.live_version();
            if self.is_retired() || self.ready.lock().len() >= MAX_READY_INSTANCES {
                return;
            }
            let Ok(pool_slots) = version.reserve_pool_slots() else { return };
            let work = move || Instance::new(version, pool_slots);
            let Some(Ok(instance)) = self.plugin.executor.run(work).await else { return };
            self.ready.lock().push(instance);
        }
    }
}

/// Keeps instances ready until the plugin gets no more connections or ends.
async fn keep_filled(registry: Weak<InstanceRegistry>) {
    loop {
        let Some(registry) = registry.upgrade() else { return };
        registry.fill_ready_instances().await;
        let taken = tokio::time::timeout(READY_TIME, registry.ready.was_taken.notified()).await;
        if taken.is_err() || registry.is_retired() {
            registry.ready.is_filled.store(false, Ordering::Release);
            registry.ready.clear();
            return;
        }
    }
}
