//! One of those who work at a channel: an instance, or the room for one.

use std::sync::Arc;
use std::time::Duration;

use super::Worker;
use super::failure_log::FailedMessage;
use narrowboat_core::fault::GuestFault;
use narrowboat_core::message::Message;
use narrowboat_runtime::{Version, WorkerInstance};

/// The rest after an instance has failed, before there is another.
const MIN_BACKOFF: Duration = Duration::from_millis(50);

/// The rest after many in a row have failed.
const MAX_BACKOFF: Duration = Duration::from_secs(5);

/// Takes one message at a time. Its instance is made when there is something for it.
#[derive(Default)]
pub(super) struct WorkerSlot {
    /// Boxed, since it moves to a guest thread and back.
    instance: Option<Box<WorkerInstance>>,
    /// Instances that have failed since a message was last done with.
    failure_count: u32,
}

/// What has come to its end.
pub(super) enum SlotEvent {
    /// A message, which may have been lost.
    Finished(WorkerSlot, Option<FailedMessage>),
    /// A rest.
    BackoffElapsed(WorkerSlot),
}

impl Default for SlotEvent {
    fn default() -> Self {
        Self::BackoffElapsed(WorkerSlot::default())
    }
}

impl WorkerSlot {
    /// Lets go of an instance of another version.
    pub(super) fn drop_if_stale(&mut self, live: &Arc<Version>) {
        drop(self.instance.take_if(|instance| !Arc::ptr_eq(instance.version(), live)));
    }

    /// Takes a message to the live version, on a guest thread: no socket waits for a worker, and
    /// none is to wait because of one.
    pub(super) async fn process_message(
        mut self,
        worker: Arc<Worker>,
        message: Message,
    ) -> SlotEvent {
        let live = worker.plugin().live_version();
        self.drop_if_stale(&live);
        let version = live.digest();
        let (instance, channel) = (self.instance.take(), worker.channel.clone());
        let work = move || {
            let mut instance = match instance.map_or_else(|| start_instance(live), Ok) {
                Ok(instance) => instance,
                Err(fault) => return (Err(fault), Vec::new(), None, message),
            };
            let (answer, effects) = instance.handle(&channel, &message);
            (answer, effects, Some(instance), message)
        };
        let Some((answer, effects, instance, message)) = worker.plugin().executor.run(work).await
        else {
            return SlotEvent::default();
        };
        worker.registry.effect_applier().apply(effects);
        self.instance = instance.filter(|instance| !instance.is_dead());
        self.failure_count = match self.instance {
            Some(_) => 0,
            None => self.failure_count.saturating_add(1),
        };
        SlotEvent::Finished(
            self,
            answer.err().map(|fault| FailedMessage { fault, message, version }),
        )
    }

    /// How long to rest before the next message, if an instance has failed: longer each time.
    pub(super) fn backoff(&self) -> Option<Duration> {
        let doublings = self.failure_count.checked_sub(1)?;
        Some(MIN_BACKOFF.saturating_mul(1 << doublings.min(16)).min(MAX_BACKOFF))
    }
}

fn start_instance(live: Arc<Version>) -> Result<Box<WorkerInstance>, GuestFault> {
    WorkerInstance::new(live).map(Box::new)
}
