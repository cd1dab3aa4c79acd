//! Connections that hibernate: their sessions keep the socket, the groups and the timers, and have no instance.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use super::call_outcome::{CallOutcome, call_dedicated};
use super::instance_registry::InstanceRegistry;
use narrowboat_core::fault::GuestFault;
use narrowboat_runtime::{
    Call, Effect, HibernatedConsumer, Instance, InstanceMark, InstanceSnapshot, Version,
};

/// A connection that hibernates. Dropping it ends its hibernation.
pub(super) struct Hibernated {
    registry: Arc<InstanceRegistry>,
    consumer: HibernatedConsumer,
}

/// How many instances a connection that wakes may find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WakeQuota {
    /// The quota of instances counts.
    Kept,
    /// The instance is made even beyond the quota: its owner ends or moves the consumer.
    Exceeded,
}

/// A connection that could not wake.
pub(super) struct FailedWake {
    pub(super) fault: GuestFault,
    /// The connection, which still hibernates; `None` after a panic.
    pub(super) hibernated: Option<Box<Hibernated>>,
}

/// The wait until a connection has been idle for long enough.
pub(super) struct IdleTimer {
    sleep: Pin<Box<Sleep>>,
    /// The instance when the wait began. An event changes it.
    mark: Option<InstanceMark>,
}

impl Hibernated {
    pub(super) fn new(registry: &Arc<InstanceRegistry>, consumer: HibernatedConsumer) -> Self {
        registry.hibernation.begin();
        Self { registry: Arc::clone(registry), consumer }
    }

    /// The version of the instance that was dropped.
    pub(super) fn version(&self) -> &Arc<Version> {
        self.consumer.version()
    }

    /// Whether the instance has to be made on a guest thread.
    pub(super) fn starts_on_guest_thread(&self) -> bool {
        self.version().starts_on_guest_thread()
    }

    /// Goes on with the state that the consumer had when it left another version.
    pub(super) fn roll_back_to(&mut self, snapshot: InstanceSnapshot) {
        self.consumer.roll_back_to(snapshot);
    }

    /// Restores the consumer in an instance. Returns the instance with the effects of that.
    pub(super) fn wake(
        &self,
        quota: WakeQuota,
    ) -> Result<(Box<Instance>, Vec<Effect>), GuestFault> {
        let version = self.version();
        let (instance, effects) = match self.registry.take_ready_instance(version) {
            Some(instance) => self.consumer.wake_in(instance)?,
            None => {
                let pool_slots = match quota {
                    WakeQuota::Kept => version.reserve_pool_slots()?,
                    WakeQuota::Exceeded => version.force_reserve_pool_slots(),
                };
                self.consumer.wake(pool_slots)?
            }
        };
        Ok((Box::new(instance), effects))
    }

    /// Restores the consumer for its last call. The effects of both are those of the outcome.
    pub(super) fn wake_and_end(&self, call: Call) -> (CallOutcome, Option<Box<Instance>>) {
        match self.wake(WakeQuota::Exceeded) {
            Ok((instance, mut effects)) => {
                let (mut outcome, instance) = call_dedicated(instance, call);
                effects.append(&mut outcome.effects);
                outcome.effects = effects;
                (outcome, instance)
            }
            Err(fault) => (CallOutcome::failed(fault), None),
        }
    }
}

impl Drop for Hibernated {
    fn drop(&mut self) {
        self.registry.hibernation.end();
        self.registry.refill_ready_instances();
    }
}

impl IdleTimer {
    pub(super) fn new(after: Duration, mark: Option<InstanceMark>) -> Self {
        Self { sleep: Box::pin(sleep(after)), mark }
    }

    /// Polls whether the time is over. Ask [`IdleTimer::was_idle`] then.
    pub(super) fn poll_elapsed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.sleep.as_mut().poll(cx)
    }

    /// Whether the instance has had no event since the wait began.
    pub(super) fn was_idle(&self, mark: Option<InstanceMark>) -> bool {
        mark.is_some() && self.mark == mark
    }
}
