//! One of those who work at a channel: an instance, or the room for one.

use std::sync::Arc;
use std::time::Duration;

use super::Worker;
use super::losses::Lost;
use narrowboat_core::fault::GuestFault;
use narrowboat_core::message::Message;
use narrowboat_runtime::{Version, WorkerInstance};

/// The rest after an instance has failed, before there is another.
const SHORTEST_REST: Duration = Duration::from_millis(50);

/// The rest after many in a row have failed.
const LONGEST_REST: Duration = Duration::from_secs(5);

/// Takes one message at a time. Its instance is made when there is something for it.
#[derive(Default)]
pub(super) struct Hand {
    /// Boxed, since it moves to a guest thread and back.
    instance: Option<Box<WorkerInstance>>,
    /// Instances that have failed since a message was last done with.
    failed: u32,
}

/// What has come to its end.
pub(super) enum Done {
    /// A message, which may have been lost.
    Worked(Hand, Option<Lost>),
    /// A rest.
    Rested(Hand),
}

impl Default for Done {
    fn default() -> Self {
        Self::Rested(Hand::default())
    }
}

impl Hand {
    /// Lets go of an instance of another version.
    pub(super) fn let_go_unless(&mut self, live: &Arc<Version>) {
        drop(self.instance.take_if(|instance| !Arc::ptr_eq(instance.version(), live)));
    }

    /// Takes a message to the live version, on a guest thread: no socket waits for a worker, and
    /// none is to wait because of one.
    pub(super) async fn work(mut self, worker: Arc<Worker>, message: Message) -> Done {
        let live = worker.plugin().live();
        self.let_go_unless(&live);
        let version = live.digest();
        let (instance, channel) = (self.instance.take(), worker.channel.clone());
        let work = move || {
            let mut instance = match instance.map_or_else(|| start(live), Ok) {
                Ok(instance) => instance,
                Err(fault) => return (Err(fault), Vec::new(), None, message),
            };
            let (answer, effects) = instance.handle(&channel, &message);
            (answer, effects, Some(instance), message)
        };
        let Some((answer, effects, instance, message)) = worker.plugin().share.run(work).await
        else {
            return Done::default();
        };
        worker.roster.outlet().apply(effects);
        self.instance = instance.filter(|instance| !instance.is_dead());
        self.failed = match self.instance {
            Some(_) => 0,
            None => self.failed.saturating_add(1),
        };
        Done::Worked(self, answer.err().map(|fault| Lost { fault, message, version }))
    }

    /// How long to rest before the next message, if an instance has failed: longer each time.
    pub(super) fn rest(&self) -> Option<Duration> {
        let doublings = self.failed.checked_sub(1)?;
        Some(SHORTEST_REST.saturating_mul(1 << doublings.min(16)).min(LONGEST_REST))
    }
}

fn start(live: Arc<Version>) -> Result<Box<WorkerInstance>, GuestFault> {
    WorkerInstance::new(live).map(Box::new)
}
