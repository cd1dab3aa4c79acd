//! Keeps instances of a source plugin ready.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, SemaphorePermit, watch};

use super::instance_registry::InstanceRegistry;
use narrowboat_core::manifest::Isolation;
use narrowboat_runtime::{Instance, Version};

/// Instances that a plugin keeps ready while it gets connections.
const BUSY_INSTANCES: usize = 4;

/// The time without a new connection after which a plugin keeps only one instance ready.
const BUSY_TIME: Duration = Duration::from_secs(60);

/// The plugins of this process that keep an instance ready while they get no connections. An instance has 2 to 3 MiB.
const MAX_IDLE_PLUGINS: usize = 64;

static IDLE_PERMITS: Semaphore = Semaphore::const_new(MAX_IDLE_PLUGINS);

impl InstanceRegistry {
    /// Keeps instances ready until the plugin is retired, if each connection has an instance of its own. Further calls
    /// do nothing.
    pub fn keep_instances_ready(self: &Arc<Self>) {
        if self.plugin.isolation == Isolation::Connection && self.ready.start_filling() {
            tokio::spawn(ReadyInstanceFiller::new(self).run());
        }
    }

    /// Takes an instance of `version` that is ready.
    pub(super) fn take_ready_instance(&self, version: &Version) -> Option<Instance> {
        if version.is_source() { self.ready.take(version) } else { None }
    }

    /// Tells the task to load the next instances. Call it when a connection has its instance, so that its handshake
    /// does not share the processors with them.
    pub(super) fn refill_ready_instances(&self) {
        if self.plugin.live_version().is_source() {
            self.ready.taken.notify_one();
        }
    }

    /// Loads instances of the live version until `count` are ready, or a limit is reached.
    async fn fill_ready_instances(&self, count: usize) {
        loop {
            let version = self.plugin.live_version();
            if self.is_retired() || !version.is_source() || self.ready.retain(&version, count) {
                return;
            }
            // The last place under a limit is left to a connection.
            if !version.has_room_for_instances(2) {
                return;
            }
            let Ok(pool_slots) = version.reserve_pool_slots() else { return };
            let work = move || Instance::new(version, pool_slots);
            let Some(Ok(instance)) = self.plugin.executor.run(work).await else { return };
            self.ready.push(instance);
        }
    }
}

/// The task that keeps instances of a plugin ready. It ends when the plugin is retired or dropped.
struct ReadyInstanceFiller {
    registry: Weak<InstanceRegistry>,
    taken: Arc<Notify>,
    live: watch::Receiver<Arc<Version>>,
    is_busy: bool,
    idle_permit: Option<SemaphorePermit<'static>>,
}

impl ReadyInstanceFiller {
    fn new(registry: &Arc<InstanceRegistry>) -> Self {
        Self {
            registry: Arc::downgrade(registry),
            taken: Arc::clone(&registry.ready.taken),
            live: registry.plugin.subscribe_live_version(),
            is_busy: false,
            idle_permit: None,
        }
    }

    async fn run(mut self) {
        while let Some(registry) = self.registry.upgrade() {
            if registry.is_retired() {
                return registry.ready.clear();
            }
            registry.fill_ready_instances(self.count()).await;
            drop(registry);
            self.wait_for_change().await;
        }
    }

    /// The instances to keep ready.
    fn count(&mut self) -> usize {
        if self.is_busy {
            return BUSY_INSTANCES;
        }
        self.idle_permit = self.idle_permit.take().or_else(|| IDLE_PERMITS.try_acquire().ok());
        usize::from(self.idle_permit.is_some())
    }

    async fn wait_for_change(&mut self) {
        tokio::select! {
            () = self.taken.notified() => self.is_busy = true,
            Ok(()) = self.live.changed() => {}
            () = tokio::time::sleep(BUSY_TIME), if self.is_busy => self.is_busy = false,
        }
    }
}
