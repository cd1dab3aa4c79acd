//! A plugin that is served, and a worker that works: what goes on for each beside the connections.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, timeout_at};

use narrowboat_config::{LayerConfig, Limits, PluginConfig, WorkerConfig};
use narrowboat_core::component::Role;
use narrowboat_deploy::rollout::{QueueCloseReason, Rollout};
use narrowboat_session::{InstanceRegistry, Worker};

/// What a plugin was made of: if another configuration says the same, it stays.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PluginSpec {
    /// Less what may change while it is served.
    pub(super) config: PluginConfig,
    /// What it has of its tenant's, and that of the host's.
    pub(super) limits: Limits,
    pub(super) layer: LayerConfig,
    /// The largest frame that any route takes, in bytes.
    pub(super) max_frame: usize,
}

impl PluginSpec {
    /// Whether a plugin made of this serves what `wanted` asks for, too: the roles that it was checked for are enough.
    pub(super) fn satisfies(&self, wanted: &Self) -> bool {
        let has = |role: Role| self.config.uses.iter().any(|used| used.role == role);
        let roles = wanted.config.uses.iter().all(|used| has(used.role));
        let uses = self.config.uses.clone();
        let config = PluginConfig { uses, ..wanted.config.clone() };
        roles && *self == Self { config, ..wanted.clone() }
    }
}

/// A plugin that is served. With it its swaps end.
pub(super) struct ServedPlugin {
    pub(super) spec: PluginSpec,
    /// Where its component lies.
    pub(super) component_file: PathBuf,
    pub(super) rollout: Arc<Rollout>,
    rollout_task: Mutex<Option<AbortHandle>>,
}

impl ServedPlugin {
    pub(super) fn new(spec: PluginSpec, component_file: PathBuf, swap: Rollout) -> Self {
        Self { spec, component_file, rollout: Arc::new(swap), rollout_task: Mutex::default() }
    }

    pub(super) fn instance_registry(&self) -> &Arc<InstanceRegistry> {
        self.rollout.registry()
    }

    /// Begins to carry out swaps, unless it has.
    pub(super) fn start(&self) {
        let mut swapping = self.rollout_task.lock().unwrap_or_else(PoisonError::into_inner);
        swapping
            .get_or_insert_with(|| tokio::spawn(Arc::clone(&self.rollout).run()).abort_handle());
    }

    /// Nothing leads to it any more: its swaps end, whoever waits for one is told so, and whoever still joins it is to be
    /// closed.
    pub(super) fn retire(&self) {
        self.close_rollout(QueueCloseReason::Reloaded);
        self.instance_registry().retire();
    }

    /// Ends its swaps where they stand, since the host ends.
    pub(super) fn stop(&self) {
        self.close_rollout(QueueCloseReason::Stopping);
    }

    fn close_rollout(&self, why: QueueCloseReason) {
        self.rollout.close(why);
        let mut swapping = self.rollout_task.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(swapping) = swapping.take() {
            swapping.abort();
        }
    }
}

impl Drop for ServedPlugin {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A worker that takes messages.
pub(super) struct ServedWorker {
    pub(super) config: WorkerConfig,
    instance_registry: Arc<InstanceRegistry>,
    stop_signal: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl ServedWorker {
    pub(super) fn new(instance_registry: Arc<InstanceRegistry>, config: WorkerConfig) -> Self {
        Self {
            config,
            instance_registry,
            stop_signal: watch::Sender::new(false),
            task: Mutex::default(),
        }
    }

    /// Whether it does for a plugin what a configuration asks for.
    pub(super) fn matches(&self, roster: &Arc<InstanceRegistry>, config: &WorkerConfig) -> bool {
        Arc::ptr_eq(&self.instance_registry, roster) && self.config == *config
    }

    /// Begins to take messages, unless it has.
    pub(super) fn start(&self) {
        let mut work = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        work.get_or_insert_with(|| {
            let worker = Worker::new(Arc::clone(&self.instance_registry), self.config.clone());
            tokio::spawn(Arc::new(worker).run(self.stop_signal.subscribe()))
        });
    }

    /// Takes no further message.
    pub(super) fn stop(&self) {
        self.stop_signal.send_replace(true);
    }

    /// Waits until it is done with those it has, until `end`: whether it was.
    pub(super) async fn wait_until_done(&self, end: Instant) -> bool {
        let work = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut work) = work else { return true };
        let done = timeout_at(end, &mut work).await.is_ok();
        work.abort();
        done
    }
}
