//! The plugins that are served.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::AbortHandle;

use super::plugin_spec::PluginSpec;
use super::saved_build::SavedBuild;
use narrowboat_deploy::packaging::BuildSource;
use narrowboat_deploy::rollout::{QueueCloseReason, Rollout};
use narrowboat_session::InstanceRegistry;

/// A plugin that is served, and the task that rolls out its versions. The task ends when this is dropped.
pub(crate) struct ServedPlugin {
    pub(super) spec: PluginSpec,
    pub(super) source: BuildSource,
    pub(crate) rollout: Arc<Rollout>,
    pub(super) saved_build: Arc<SavedBuild>,
    rollout_task: Mutex<Option<AbortHandle>>,
}

impl ServedPlugin {
    /// A plugin whose rollouts have not started.
    pub(super) fn new(spec: PluginSpec, source: BuildSource, rollout: Rollout) -> Self {
        let rollout = Arc::new(rollout);
        Self { spec, source, rollout, saved_build: Arc::default(), rollout_task: Mutex::default() }
    }

    /// The instances of the plugin.
    pub(super) fn instance_registry(&self) -> &Arc<InstanceRegistry> {
        self.rollout.registry()
    }

    /// Starts the rollouts and the upkeep of rooms, and keeps instances ready, unless that has started.
    pub(super) fn start(&self) {
        self.instance_registry().keep_instances_ready();
        self.instance_registry().keep_rooms();
        let mut task = self.rollout_task.lock().unwrap_or_else(PoisonError::into_inner);
        task.get_or_insert_with(|| tokio::spawn(Arc::clone(&self.rollout).run()).abort_handle());
    }

    /// Retires the plugin, because a reload has replaced or removed it: its rollouts end with an error, and connections
    /// that are still joining it will be closed.
    pub(crate) fn retire(&self) {
        self.close_rollout(QueueCloseReason::Reloaded);
        self.instance_registry().retire();
    }

    /// Ends the rollouts, because the host stops.
    pub(super) fn stop(&self) {
        self.close_rollout(QueueCloseReason::Stopping);
    }

    fn close_rollout(&self, reason: QueueCloseReason) {
        self.rollout.close(reason);
        let mut task = self.rollout_task.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task.take() {
            task.abort();
        }
    }
}

impl Drop for ServedPlugin {
    fn drop(&mut self) {
        self.stop();
    }
}
