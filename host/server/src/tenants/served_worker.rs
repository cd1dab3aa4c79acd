//! The workers that are served.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use narrowboat_config::WorkerConfig;
use narrowboat_schedule::{ScheduleServices, ScheduleStatus};
use narrowboat_session::{InstanceRegistry, Worker};

/// A worker of a plugin, and the task that takes its messages.
pub(crate) struct ServedWorker {
    config: WorkerConfig,
    instance_registry: Arc<InstanceRegistry>,
    schedules: ScheduleServices,
    schedule_status: Arc<ScheduleStatus>,
    stop_signal: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl ServedWorker {
    /// A worker that has not started.
    pub(super) fn new(
        instance_registry: Arc<InstanceRegistry>,
        config: WorkerConfig,
        schedules: ScheduleServices,
    ) -> Self {
        Self {
            config,
            instance_registry,
            schedules,
            schedule_status: Arc::default(),
            stop_signal: watch::Sender::new(false),
            task: Mutex::default(),
        }
    }

    /// Whether the worker belongs to this plugin and has this configuration.
    pub(super) fn matches(&self, registry: &Arc<InstanceRegistry>, config: &WorkerConfig) -> bool {
        Arc::ptr_eq(&self.instance_registry, registry) && self.config == *config
    }

    /// The configuration.
    pub(crate) fn config(&self) -> &WorkerConfig {
        &self.config
    }

    /// The status of the worker's schedule. It stays empty without a schedule.
    pub(crate) fn schedule_status(&self) -> &ScheduleStatus {
        &self.schedule_status
    }

    /// The Unix time in seconds of the next run of the schedule.
    pub(crate) fn next_run(&self) -> Option<i64> {
        let now = self.schedules.clock.now_seconds();
        self.config.cron.as_ref()?.schedule.next_after(now)
    }

    /// Starts to take messages, unless it has started.
    pub(super) fn start(&self) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        task.get_or_insert_with(|| {
            let worker = Worker::new(
                Arc::clone(&self.instance_registry),
                self.config.clone(),
                self.schedules.clone(),
                Arc::clone(&self.schedule_status),
            );
            tokio::spawn(Arc::new(worker).run(self.stop_signal.subscribe()))
        });
    }

    /// Stops to take messages; those in flight are finished.
    pub(crate) fn stop(&self) {
        self.stop_signal.send_replace(true);
    }

    /// Waits until the messages in flight are finished. Returns `false` and drops them if that takes until `deadline`.
    pub(crate) async fn wait_until_done(&self, deadline: Instant) -> bool {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut task) = task else { return true };
        let is_done = timeout_at(deadline, &mut task).await.is_ok();
        task.abort();
        is_done
    }
}
