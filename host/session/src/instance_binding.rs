//! The instance that serves a consumer, and the calls of the consumer in it.

use std::sync::Arc;

use super::call_outcome::{CallOutcome, call_dedicated};
use super::dedicated::take_deferred_turns;
use super::hibernation::{FailedWake, Hibernated, WakeQuota};
use super::instance_registry::InstanceRegistry;
use super::pending_call::PendingCall;
use super::shared::{SharedInstance, SharedTurns, acquire_shared_instance, visit_room};
use narrowboat_config::FailedMovePolicy;
use narrowboat_core::fault::GuestFault;
use narrowboat_core::manifest::Isolation;
use narrowboat_core::room_name::RoomName;
use narrowboat_runtime::{
    Call, Effect, HibernatedConsumer, Instance, InstanceMark, InstanceSnapshot, Migration,
    MigrationError, MovePatience, Plugin, StateSource, TrialState, Version, migrate,
    restart_consumers,
};

/// The instance that serves a consumer.
pub(super) enum InstanceBinding {
    /// The consumer's own instance, which the session's task owns. `None` while a call runs elsewhere, before the
    /// first call, and after the instance has failed.
    Dedicated(Arc<Plugin>, Option<Box<Instance>>),
    /// The consumer's own instance was dropped, because its connection is idle. The next call makes another one.
    Hibernated(Arc<Plugin>, Box<Hibernated>),
    /// A shared instance, which a task of its own owns.
    Shared(Arc<InstanceRegistry>, SharedInstance),
}

impl InstanceBinding {
    /// Binds a new consumer: to the instance of its room, or as the plugin's isolation says. A dedicated instance is
    /// made later, by the first call.
    pub(super) fn new(registry: &Arc<InstanceRegistry>, room: Option<&RoomName>) -> Self {
        let shared = match (room, registry.plugin.isolation) {
            (Some(room), _) => visit_room(registry, room),
            (None, Isolation::Shared) => acquire_shared_instance(registry),
            (None, Isolation::Connection | Isolation::Room) => {
                return Self::Dedicated(Arc::clone(&registry.plugin), None);
            }
        };
        Self::Shared(Arc::clone(registry), shared)
    }

    /// Whether the consumer has an instance of its own.
    pub(super) fn is_dedicated(&self) -> bool {
        matches!(self, Self::Dedicated(..) | Self::Hibernated(..))
    }

    /// Whether the consumer's own instance was dropped because its connection is idle.
    pub(super) fn is_hibernated(&self) -> bool {
        matches!(self, Self::Hibernated(..))
    }

    /// The mark of the dedicated instance, if it is here.
    pub(super) fn mark(&self) -> Option<InstanceMark> {
        match self {
            Self::Dedicated(_, instance) => instance.as_ref().map(|instance| instance.mark()),
            Self::Hibernated(..) | Self::Shared(..) => None,
        }
    }

    /// Saves the dedicated instance for hibernation. `None` if its code waits.
    pub(super) fn save_for_hibernation(
        &mut self,
    ) -> PendingCall<Result<Option<HibernatedConsumer>, GuestFault>> {
        let lost = || Err(GuestFault::InstanceLost);
        self.with_instance(None, lost, |mut instance| {
            let saved = instance.hibernate();
            (saved, Some(instance))
        })
    }

    /// Drops the dedicated instance, whose state is in `hibernated`.
    pub(super) fn hibernate(&mut self, hibernated: Box<Hibernated>) {
        if let Self::Dedicated(plugin, _) = self {
            *self = Self::Hibernated(Arc::clone(plugin), hibernated);
        }
    }

    /// Makes an instance for a consumer that hibernates. Returns the effects of that, or `None` if it does not hibernate.
    pub(super) fn wake(
        &mut self,
        quota: WakeQuota,
    ) -> Option<PendingCall<Result<Vec<Effect>, FailedWake>>> {
        let (plugin, hibernated) = self.take_hibernated()?;
        let needs_guest_thread = hibernated.starts_on_guest_thread();
        let work = move || match hibernated.wake(quota) {
            Ok((instance, effects)) => (Ok(effects), Some(instance)),
            Err(fault) => (Err(FailedWake { fault, hibernated: Some(hibernated) }), None),
        };
        let lost = || (Err(FailedWake { fault: GuestFault::InstanceLost, hibernated: None }), None);
        Some(self.run_wake(plugin, needs_guest_thread, lost, work))
    }

    fn take_hibernated(&mut self) -> Option<(Arc<Plugin>, Box<Hibernated>)> {
        let Self::Hibernated(plugin, _) = self else { return None };
        let awake = Self::Dedicated(Arc::clone(plugin), None);
        match std::mem::replace(self, awake) {
            Self::Hibernated(plugin, hibernated) => Some((plugin, hibernated)),
            Self::Dedicated(..) | Self::Shared(..) => None,
        }
    }

    fn run_wake<T: Send + 'static>(
        &mut self,
        plugin: Arc<Plugin>,
        needs_guest_thread: bool,
        lost: fn() -> (T, Option<Box<Instance>>),
        work: impl FnOnce() -> (T, Option<Box<Instance>>) + Send + 'static,
    ) -> PendingCall<T> {
        if needs_guest_thread {
            return PendingCall::Running(Box::pin(async move {
                plugin.executor.run(work).await.unwrap_or_else(lost)
            }));
        }
        let (result, instance) = work();
        self.return_instance(instance);
        PendingCall::Ready(result)
    }

    /// Takes the turns of the members of a shared instance, or lets its owner take them, and those of other consumers
    /// that this task has sent messages to.
    pub(super) fn drain_turns(&self) {
        if let Self::Shared(registry, shared) = self {
            shared.drain_turns(&registry.effect_applier());
        }
        take_deferred_turns();
    }

    /// The shared instance, for a task that drains its turns. `None` for a dedicated instance.
    pub(super) fn shared_turns(&self) -> Option<SharedTurns> {
        match self {
            Self::Dedicated(..) | Self::Hibernated(..) => None,
            Self::Shared(registry, shared) => Some(SharedTurns::new(registry, shared)),
        }
    }

    /// Calls the consumer. One that hibernates is woken for its last call only; wake it before another one.
    pub(super) fn call(&mut self, call: Call) -> PendingCall<CallOutcome> {
        if let Self::Shared(registry, shared) = self {
            return shared.call(call, &registry.effect_applier());
        }
        let lost = || CallOutcome::failed(GuestFault::InstanceLost);
        if let Some((plugin, hibernated)) = self.take_hibernated() {
            let needs_guest_thread = hibernated.starts_on_guest_thread();
            let work = move || hibernated.wake_and_end(call);
            let lost = || (CallOutcome::failed(GuestFault::InstanceLost), None);
            return self.run_wake(plugin, needs_guest_thread, lost, work);
        }
        self.with_instance(None, lost, move |instance| call_dedicated(instance, call))
    }

    /// The version of the dedicated instance. `None` for a shared instance.
    pub(super) fn version(&self) -> Option<&Arc<Version>> {
        match self {
            Self::Dedicated(_, instance) => instance.as_ref().map(|instance| instance.version()),
            Self::Hibernated(_, hibernated) => Some(hibernated.version()),
            Self::Shared(..) => None,
        }
    }

    /// Whether the dedicated instance has failed. False for a shared instance.
    pub(super) fn is_dead(&self) -> bool {
        match self {
            Self::Dedicated(_, instance) => {
                instance.as_ref().is_none_or(|instance| instance.is_dead())
            }
            Self::Hibernated(..) | Self::Shared(..) => false,
        }
    }

    /// Takes the dedicated instance, if others may call it while the session rests: it is alive, its calls are
    /// short, and none has ever waited.
    pub(super) fn take_to_lend(&mut self) -> Option<Box<Instance>> {
        let Self::Dedicated(_, slot) = self else { return None };
        slot.take_if(|instance| !instance.is_dead() && instance.version().may_be_called_by_others())
    }

    /// Takes the last checkpoint of the dedicated instance.
    pub(super) fn take_checkpoint(&mut self) -> Option<InstanceSnapshot> {
        match self {
            Self::Dedicated(_, instance) => instance.as_mut()?.take_checkpoint(),
            Self::Hibernated(..) | Self::Shared(..) => None,
        }
    }

    /// Whether the dedicated instance has died while it was saved, before the event for which it was called.
    pub(super) fn has_died_saving(&self) -> bool {
        match self {
            Self::Dedicated(_, Some(instance)) => instance.has_died_saving(),
            Self::Dedicated(..) | Self::Hibernated(..) | Self::Shared(..) => false,
        }
    }

    /// Makes no further checkpoints of the dedicated instance.
    pub(super) fn stop_checkpoints(&mut self) {
        if let Self::Dedicated(_, Some(instance)) = self {
            instance.stop_checkpoints();
        }
    }

    /// Drops the dedicated instance if it has failed.
    pub(super) fn drop_dead_instance(&mut self) {
        if self.is_dedicated() && self.is_dead() {
            self.return_instance(None);
        }
    }

    /// Captures the trial state of the dedicated instance.
    pub(super) fn capture_trial_state(
        &mut self,
    ) -> PendingCall<Result<TrialState, MigrationError>> {
        let lost = || Err(MigrationError::Snapshot(GuestFault::InstanceLost));
        self.with_instance(None, lost, |mut instance| {
            let state = instance.capture_trial_state();
            (state, Some(instance))
        })
    }

    /// Migrates the dedicated instance to another version. After an error the instance is unchanged.
    pub(super) fn migrate(
        &mut self,
        to: Arc<Version>,
        mut source: StateSource,
        policy: FailedMovePolicy,
        patience: MovePatience,
    ) -> PendingCall<Result<Migration, MigrationError>> {
        let lost = || Err(MigrationError::Snapshot(GuestFault::InstanceLost));
        self.with_instance(Some(&Arc::clone(&to)), lost, move |mut instance| {
            let migration = migrate(&mut instance, to, &mut source, policy, patience);
            (migration, Some(instance))
        })
    }

    /// Replaces the dedicated instance by a new one of another version with a fresh consumer. Returns the effects of
    /// its `connect`. After an error the instance is unchanged.
    pub(super) fn restart(
        &mut self,
        to: Arc<Version>,
    ) -> PendingCall<Result<Vec<Effect>, MigrationError>> {
        let lost = || Err(MigrationError::Start(GuestFault::InstanceLost));
        self.with_instance(Some(&Arc::clone(&to)), lost, move |old| {
            match restart_consumers(&old, to) {
                Ok((instance, effects)) => (Ok(effects), Some(instance)),
                Err(error) => (Err(error), Some(old)),
            }
        })
    }

    /// Moves the binding out, and leaves one without a dedicated instance.
    pub(super) fn take(&mut self) -> Self {
        match self {
            Self::Dedicated(plugin, instance) => {
                Self::Dedicated(Arc::clone(plugin), instance.take())
            }
            Self::Hibernated(plugin, _) => {
                let asleep = Self::Dedicated(Arc::clone(plugin), None);
                std::mem::replace(self, asleep)
            }
            Self::Shared(registry, shared) => Self::Shared(Arc::clone(registry), shared.clone()),
        }
    }

    /// Takes the dedicated instance back after work elsewhere.
    pub(super) fn return_instance(&mut self, returned: Option<Box<Instance>>) {
        if let Self::Dedicated(_, instance) = self {
            *instance = returned;
        }
    }

    /// Runs `work` with the dedicated instance: on a guest thread if the instance's version or the `other` version
    /// needs one or has to load source, else here. Returns `lost()` if there is no instance or a panic has ended the work.
    fn with_instance<T: Send + 'static>(
        &mut self,
        other: Option<&Arc<Version>>,
        lost: fn() -> T,
        work: impl FnOnce(Box<Instance>) -> (T, Option<Box<Instance>>) + Send + 'static,
    ) -> PendingCall<T> {
        let Self::Dedicated(plugin, slot) = self else { return PendingCall::Ready(lost()) };
        let Some(instance) = slot.take() else { return PendingCall::Ready(lost()) };
        let needs_guest_thread = instance.version().needs_guest_thread()
            || other.is_some_and(|version| version.starts_on_guest_thread());
        if needs_guest_thread {
            let plugin = Arc::clone(plugin);
            return PendingCall::Running(Box::pin(async move {
                let work = move || work(instance);
                plugin.executor.run(work).await.unwrap_or_else(|| (lost(), None))
            }));
        }
        let (result, instance) = work(instance);
        *slot = instance;
        PendingCall::Ready(result)
    }
}

/// Waits for a call where no session reads from the socket meanwhile.
pub(super) async fn await_call<T>(binding: &mut InstanceBinding, pending: PendingCall<T>) -> T {
    match pending {
        PendingCall::Ready(result) => result,
        PendingCall::Running(running) => {
            let (result, instance) = running.await;
            binding.return_instance(instance);
            result
        }
    }
}
