//! The deploys of one plugin.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use super::change_policy::ChangePolicy;
use super::deploy_counters::DeployCounters;
use super::deploy_error::QueueCloseReason;
use super::deploy_outcome::DeployOutcome;
use super::deploy_queue::DeployQueue;
use super::deploy_source::DeploySource;
use crate::versions::{PluginVersionStore, PluginVersionStoreError, VersionRecord};
use narrowboat_config::PluginConfig;
use narrowboat_runtime::{Build, Loader, Plugin};
use narrowboat_session::InstanceRegistry;

/// The deploys of one plugin. Only this changes the plugin's live version, one request at a time.
pub struct Rollout {
    pub(super) registry: Arc<InstanceRegistry>,
    pub(super) loader: Arc<Loader>,
    pub(super) config: PluginConfig,
    pub(super) policy: ChangePolicy,
    pub(super) queue: DeployQueue,
    /// `None` if the configuration has no `[versions]`.
    pub(super) store: Option<Arc<PluginVersionStore>>,
    in_rollback_window: AtomicBool,
    pub(super) counters: DeployCounters,
    /// Held during a change of the live version, and during a reload that replaces this object.
    version_lock: Arc<Mutex<()>>,
}

/// The live version of a plugin does not change while this is held.
#[derive(Debug)]
pub struct LiveVersionGuard(#[expect(dead_code, reason = "it is held")] OwnedMutexGuard<()>);

impl Rollout {
    /// Creates the deploys of one plugin. [`run`](Self::run) carries them out.
    pub fn new(
        registry: Arc<InstanceRegistry>,
        loader: Arc<Loader>,
        config: PluginConfig,
        policy: ChangePolicy,
        store: Option<Arc<PluginVersionStore>>,
    ) -> Self {
        Self {
            registry,
            loader,
            config,
            policy,
            queue: DeployQueue::default(),
            store,
            in_rollback_window: AtomicBool::new(false),
            counters: DeployCounters::default(),
            version_lock: Arc::default(),
        }
    }

    /// The plugin.
    pub fn plugin(&self) -> &Arc<Plugin> {
        self.registry.plugin()
    }

    /// The owners of the plugin's instances.
    pub fn registry(&self) -> &Arc<InstanceRegistry> {
        &self.registry
    }

    /// The plugin's versions on disk; `None` if the configuration has no `[versions]`.
    pub fn version_store(&self) -> Option<&Arc<PluginVersionStore>> {
        self.store.as_ref()
    }

    /// Returns the version that waits for an approval, if there is one.
    pub fn pending_version(&self) -> Option<VersionRecord> {
        self.store.as_ref()?.pending()
    }

    /// Whether the host may still roll the live version back for its faults.
    pub fn is_in_rollback_window(&self) -> bool {
        self.in_rollback_window.load(Ordering::Relaxed)
    }

    pub(super) fn set_in_rollback_window(&self, in_rollback_window: bool) {
        self.in_rollback_window.store(in_rollback_window, Ordering::Relaxed);
    }

    /// The counters of outcomes.
    pub fn counters(&self) -> &DeployCounters {
        &self.counters
    }

    /// Requests that a component becomes the live version. A request from the plugin's component file supersedes an
    /// older one that still waits. The receiver always gets an outcome, also if the queue closes.
    pub fn enqueue(
        &self,
        build: Arc<Build>,
        source: DeploySource,
    ) -> oneshot::Receiver<DeployOutcome> {
        self.queue.push(build, source)
    }

    /// Refuses the waiting requests and all later ones, with a reason.
    pub fn close(&self, reason: QueueCloseReason) {
        self.queue.close(reason);
    }

    /// Waits until no change of the live version is in progress, and holds further ones up.
    pub async fn lock_version(&self) -> LiveVersionGuard {
        LiveVersionGuard(Arc::clone(&self.version_lock).lock_owned().await)
    }

    /// Runs an operation of the version store on a thread for blocking work. `None` without a store, or if the operation
    /// panicked.
    pub(super) async fn with_store<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&PluginVersionStore) -> Result<T, PluginVersionStoreError>
        + Send
        + 'static,
    ) -> Option<Result<T, PluginVersionStoreError>> {
        let store = Arc::clone(self.store.as_ref()?);
        tokio::task::spawn_blocking(move || operation(&store)).await.ok()
    }

    /// Runs an operation of the version store, and logs its error: the change of the live version cannot be undone for
    /// it.
    pub(super) async fn update_store_or_warn(
        &self,
        operation: impl FnOnce(&PluginVersionStore) -> Result<(), PluginVersionStoreError>
        + Send
        + 'static,
    ) {
        if let Some(Err(error)) = self.with_store(operation).await {
            let plugin = &*self.plugin().label;
            tracing::warn!(
                plugin,
                %error,
                "version index not written; a restart may bring another version back"
            );
        }
    }
}
