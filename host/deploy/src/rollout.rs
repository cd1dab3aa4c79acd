//! From bytes to a live version: tried, published, its consumers moved, watched for a while, and
//! rolled back if it fails too often. ARCHITECTURE.md has the states.

mod canary_window;
mod deploy_error;
mod deploy_queue;
mod preparation;
mod task;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

pub use deploy_error::{DeployError, QueueCloseReason};
pub use deploy_queue::{DeployOutcome, DeployReport, DeploySource};

use crate::versions::{PluginVersionStore, PluginVersionStoreError, VersionRecord};
use deploy_queue::DeployQueue;
use narrowboat_config::PluginConfig;
use narrowboat_runtime::{Build, Loader, Plugin};
use narrowboat_session::InstanceRegistry;

/// The one place where a plugin's version changes: one swap at a time.
pub struct Rollout {
    registry: Arc<InstanceRegistry>,
    loader: Arc<Loader>,
    config: PluginConfig,
    queue: DeployQueue,
    /// Where versions are kept, if they are.
    store: Option<Arc<PluginVersionStore>>,
    /// Whether the live version may still be rolled back for its faults.
    on_trial: AtomicBool,
    counters: DeployCounters,
    /// Held by whoever changes which version is live, and by a reload that puts another object in the place of this.
    version_lock: Arc<Mutex<()>>,
}

/// While this is held, the live version of a plugin stays what it is.
#[derive(Debug)]
pub struct LiveVersionGuard(#[expect(dead_code, reason = "it is held")] OwnedMutexGuard<()>);

/// How often each end was reached since the host began.
#[derive(Debug, Default)]
pub struct DeployCounters {
    published: AtomicU64,
    refused: AtomicU64,
    rolled_back: AtomicU64,
}

/// Counts at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeployCounts {
    /// Versions that became live.
    pub published: u64,
    /// Versions that were not taken.
    pub refused: u64,
    /// Versions that were live and failed too often.
    pub rolled_back: u64,
}

impl DeployCounters {
    /// The counts now.
    pub fn snapshot(&self) -> DeployCounts {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        DeployCounts {
            published: load(&self.published),
            refused: load(&self.refused),
            rolled_back: load(&self.rolled_back),
        }
    }
}

impl Rollout {
    /// The swaps of one plugin.
    pub fn new(
        registry: Arc<InstanceRegistry>,
        loader: Arc<Loader>,
        config: PluginConfig,
        store: Option<Arc<PluginVersionStore>>,
    ) -> Self {
        let (on_trial, counters) = (AtomicBool::new(false), DeployCounters::default());
        let (queue, version_lock) = (DeployQueue::default(), Arc::default());
        Self { registry, loader, config, queue, store, on_trial, counters, version_lock }
    }

    /// Whose versions these are.
    pub fn plugin(&self) -> &Arc<Plugin> {
        self.registry.plugin()
    }

    /// Who has instances of it.
    pub fn registry(&self) -> &Arc<InstanceRegistry> {
        &self.registry
    }

    /// Where its versions are kept, if they are.
    pub fn version_store(&self) -> Option<&Arc<PluginVersionStore>> {
        self.store.as_ref()
    }

    /// The version that waits for an approval, if one does.
    pub fn pending_version(&self) -> Option<VersionRecord> {
        self.store.as_ref()?.pending()
    }

    /// Whether the live version may still be rolled back for its faults.
    pub fn is_on_trial(&self) -> bool {
        self.on_trial.load(Ordering::Relaxed)
    }

    /// How often each end was reached.
    pub fn counters(&self) -> &DeployCounters {
        &self.counters
    }

    /// Offers a component as the next version. What a file held before, and still waits, is
    /// superseded. The receiver always gets a verdict, also if the queue closes.
    pub fn enqueue(
        &self,
        build: Arc<Build>,
        origin: DeploySource,
    ) -> oneshot::Receiver<DeployOutcome> {
        self.queue.push(build, origin)
    }

    /// Takes no further offer, and tells everybody who waits why.
    pub fn close(&self, why: QueueCloseReason) {
        self.queue.close(why);
    }

    /// Waits until no change of the live version goes on, and holds further ones up.
    pub async fn lock_version(&self) -> LiveVersionGuard {
        LiveVersionGuard(Arc::clone(&self.version_lock).lock_owned().await)
    }

    /// Does something to the versions that are kept, if they are, where it holds up no socket.
    async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&PluginVersionStore) -> Result<T, PluginVersionStoreError> + Send + 'static,
    ) -> Option<Result<T, PluginVersionStoreError>> {
        let shelf = Arc::clone(self.store.as_ref()?);
        tokio::task::spawn_blocking(move || work(&shelf)).await.ok()
    }
}
