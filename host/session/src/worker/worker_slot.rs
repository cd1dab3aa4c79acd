//! A slot of a worker: an instance, or room for one.

use std::sync::Arc;
use std::time::Duration;

use super::failure_log::FailedMessage;
use super::worker_channel::WorkerChannel;
use narrowboat_core::fault::GuestFault;
use narrowboat_core::message::Message;
use narrowboat_runtime::{Version, WorkerInstance};
use narrowboat_schedule::RunOutcome;

/// The backoff after one failed instance.
const MIN_BACKOFF: Duration = Duration::from_millis(50);

/// The longest backoff after several failed instances in a row.
const MAX_BACKOFF: Duration = Duration::from_secs(5);

/// Handles one message at a time. Its instance is made for the first message.
#[derive(Default)]
pub(super) struct WorkerSlot {
    /// Boxed, since it moves to a guest thread and back.
    instance: Option<Box<WorkerInstance>>,
    /// Instances that have failed since the last message that did not cost its instance.
    failure_count: u32,
}

/// The end of a busy slot's work. The slot is idle again.
pub(super) enum SlotEvent {
    /// The slot has finished a message, which may have failed.
    Finished(WorkerSlot, Option<FailedMessage>),
    /// The slot's backoff has elapsed.
    BackoffElapsed(WorkerSlot),
}

impl Default for SlotEvent {
    fn default() -> Self {
        Self::BackoffElapsed(WorkerSlot::default())
    }
}

impl SlotEvent {
    /// How the run of a schedule ended that the slot has worked at.
    pub(super) fn run_outcome(&self) -> RunOutcome {
        match self {
            Self::Finished(_, None) => RunOutcome::Succeeded,
            Self::Finished(_, Some(_)) | Self::BackoffElapsed(_) => RunOutcome::Failed,
        }
    }
}

impl WorkerSlot {
    /// Drops an instance of another version.
    pub(super) fn drop_if_stale(&mut self, live: &Arc<Version>) {
        drop(self.instance.take_if(|instance| !Arc::ptr_eq(instance.version(), live)));
    }

    /// Handles a message in an instance of the live version, always on a guest thread: no socket waits for a worker,
    /// and a worker must not delay one.
    pub(super) async fn process_message(
        mut self,
        channel: Arc<WorkerChannel>,
        message: Message,
    ) -> SlotEvent {
        let live = channel.plugin().live_version();
        self.drop_if_stale(&live);
        let version = live.digest();
        let (instance, name) = (self.instance.take(), channel.name.clone());
        let work = move || {
            let mut instance = match instance.map_or_else(|| start_instance(live), Ok) {
                Ok(instance) => instance,
                Err(fault) => return (Err(fault), Vec::new(), None, message),
            };
            let (result, effects) = instance.handle(&name, &message);
            (result, effects, Some(instance), message)
        };
        let Some((result, effects, instance, message)) = channel.plugin().executor.run(work).await
        else {
            return SlotEvent::default();
        };
        channel.registry.effect_applier().apply(effects);
        self.instance = instance.filter(|instance| !instance.is_dead());
        self.failure_count = match self.instance {
            Some(_) => 0,
            None => self.failure_count.saturating_add(1),
        };
        let failed = result.err().map(|fault| FailedMessage { fault, message, version });
        SlotEvent::Finished(self, failed)
    }

    /// How long to wait before the next message. Doubles with each failed instance; `None` after a success.
    pub(super) fn backoff(&self) -> Option<Duration> {
        let doublings = self.failure_count.checked_sub(1)?;
        Some(MIN_BACKOFF.saturating_mul(1 << doublings.min(16)).min(MAX_BACKOFF))
    }
}

fn start_instance(live: Arc<Version>) -> Result<Box<WorkerInstance>, GuestFault> {
    WorkerInstance::new(live).map(Box::new)
}
