//! Where a session's consumer lives, and how an event gets there.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::disconnect::{DisconnectContext, GuardedReceiver};
use super::instance_registry::InstanceRegistry;
use super::shared::SharedInstance;
use narrowboat_config::FailedMovePolicy;
use narrowboat_core::fault::GuestFault;
use narrowboat_core::manifest::Isolation;
use narrowboat_runtime::{
    Call, Effect, GuestReply, Instance, Migration, MigrationError, Plugin, StateSource, TrialState,
    Version, migrate, restart_consumers,
};

/// What a call answered, with what is left to be done about it.
pub(super) struct CallOutcome {
    pub(super) result: Result<GuestReply, GuestFault>,
    /// Empty where the instance's owner has applied them.
    pub(super) effects: Vec<Effect>,
    /// The event itself, if the instance died of it and none of it has happened.
    pub(super) unapplied_call: Option<Call>,
}

impl CallOutcome {
    pub(super) fn failed(fault: GuestFault) -> Self {
        Self { result: Err(fault), effects: Vec::new(), unapplied_call: None }
    }
}

/// A consumer's place in an instance.
pub(super) enum InstanceBinding {
    /// An instance of its own, owned by the session's task. `None` while a call has it.
    Dedicated(Arc<Plugin>, Option<Box<Instance>>),
    /// A place in an instance that another task owns.
    Shared(Arc<InstanceRegistry>, SharedInstance),
}

/// Work in an instance that runs elsewhere. With the answer comes the instance, if it is this
/// session's own.
pub(super) type CallFuture<T> = Pin<Box<dyn Future<Output = (T, Option<Box<Instance>>)> + Send>>;

/// Work in an instance on its way.
pub(super) enum PendingCall<T> {
    /// It ran on this task and is over.
    Ready(T),
    /// It is not over yet.
    Running(CallFuture<T>),
}

impl InstanceBinding {
    /// A place for a new connection.
    pub(super) fn new(roster: &Arc<InstanceRegistry>) -> Self {
        match roster.plugin.isolation {
            Isolation::Shared => Self::Shared(Arc::clone(roster), roster.acquire_shared_instance()),
            Isolation::Connection => Self::Dedicated(Arc::clone(&roster.plugin), None),
        }
    }

    /// Whether the consumer has an instance of its own.
    pub(super) fn is_dedicated(&self) -> bool {
        matches!(self, Self::Dedicated(..))
    }

    /// Makes the instance, if the consumer has one of its own, and brings the handshake to it. What is accepted and
    /// not received, since whoever waits for it is dropped, is undone.
    pub(super) fn connect(
        &mut self,
        call: Call,
        undo: &DisconnectContext,
    ) -> PendingCall<CallOutcome> {
        match self {
            Self::Dedicated(plugin, _) => {
                let version = plugin.live_version();
                let places = match version.reserve_pool_slots() {
                    Ok(places) => places,
                    Err(fault) => return PendingCall::Ready(CallOutcome::failed(fault)),
                };
                let slow = version.needs_guest_thread();
                let work = move || match Instance::new(version, places) {
                    Ok(instance) => call_dedicated(Box::new(instance), call),
                    Err(fault) => (CallOutcome::failed(fault), None),
                };
                if slow {
                    return PendingCall::Running(connect_on_guest_thread(
                        Arc::clone(plugin),
                        work,
                        undo,
                    ));
                }
                let (answer, instance) = work();
                self.return_instance(instance);
                PendingCall::Ready(answer)
            }
            Self::Shared(_, shared) => shared.connect(call, undo),
        }
    }

    /// Brings an event to the consumer.
    pub(super) fn call(&mut self, call: Call) -> PendingCall<CallOutcome> {
        if let Self::Shared(roster, shared) = self {
            return shared.call(call, &roster.effect_applier());
        }
        let lost = || CallOutcome::failed(GuestFault::SharedInstanceFailed);
        self.with_instance(None, lost, move |instance| call_dedicated(instance, call))
    }

    /// The version that the consumer's own instance runs.
    pub(super) fn version(&self) -> Option<&Arc<Version>> {
        match self {
            Self::Dedicated(_, instance) => instance.as_ref().map(|instance| instance.version()),
            Self::Shared(..) => None,
        }
    }

    /// Whether the consumer's own instance has failed.
    pub(super) fn is_dead(&self) -> bool {
        match self {
            Self::Dedicated(_, instance) => {
                instance.as_ref().is_none_or(|instance| instance.is_dead())
            }
            Self::Shared(..) => false,
        }
    }

    /// Gives up the consumer's own instance if it has failed.
    pub(super) fn drop_dead_instance(&mut self) {
        if self.is_dedicated() && self.is_dead() {
            self.return_instance(None);
        }
    }

    /// Takes a sample of the consumer's own instance.
    pub(super) fn capture_trial_state(
        &mut self,
    ) -> PendingCall<Result<TrialState, MigrationError>> {
        let lost = || Err(MigrationError::Snapshot(GuestFault::SharedInstanceFailed));
        self.with_instance(None, lost, |mut instance| {
            let sample = instance.capture_trial_state();
            (sample, Some(instance))
        })
    }

    /// Moves the consumer's own instance to another version, or leaves it as it is.
    pub(super) fn migrate(
        &mut self,
        to: Arc<Version>,
        way: StateSource,
    ) -> PendingCall<Result<Migration, MigrationError>> {
        let lost = || Err(MigrationError::Snapshot(GuestFault::SharedInstanceFailed));
        self.with_instance(Some(&Arc::clone(&to)), lost, move |mut instance| {
            let moved = migrate(&mut instance, to, way, FailedMovePolicy::KeepOld);
            (moved, Some(instance))
        })
    }

    /// Puts a fresh consumer in the place of this one, in an instance of another version.
    pub(super) fn restart(
        &mut self,
        to: Arc<Version>,
    ) -> PendingCall<Result<Vec<Effect>, MigrationError>> {
        let lost = || Err(MigrationError::Start(GuestFault::SharedInstanceFailed));
        self.with_instance(Some(&Arc::clone(&to)), lost, move |old| {
            match restart_consumers(&old, to) {
                Ok((instance, effects)) => (Ok(effects), Some(instance)),
                Err(why) => (Err(why), Some(old)),
            }
        })
    }

    /// Takes the consumer's place, and leaves one without a consumer.
    pub(super) fn take(&mut self) -> Self {
        match self {
            Self::Dedicated(plugin, instance) => {
                Self::Dedicated(Arc::clone(plugin), instance.take())
            }
            Self::Shared(roster, shared) => Self::Shared(Arc::clone(roster), shared.clone()),
        }
    }

    /// Takes back what work elsewhere has brought.
    pub(super) fn return_instance(&mut self, returned: Option<Box<Instance>>) {
        if let Self::Dedicated(_, instance) = self {
            *instance = returned;
        }
    }

    /// Works in the consumer's own instance, on a guest thread if its version, or the `other` one
    /// it meets there, is slow.
    fn with_instance<T: Send + 'static>(
        &mut self,
        other: Option<&Arc<Version>>,
        lost: fn() -> T,
        work: impl FnOnce(Box<Instance>) -> (T, Option<Box<Instance>>) + Send + 'static,
    ) -> PendingCall<T> {
        let Self::Dedicated(_, instance) = self else { return PendingCall::Ready(lost()) };
        let Some(instance) = instance.take() else { return PendingCall::Ready(lost()) };
        let slow = instance.version().needs_guest_thread()
            || other.is_some_and(|version| version.needs_guest_thread());
        self.run_work(slow, lost, move || work(instance))
    }

    fn run_work<T: Send + 'static>(
        &mut self,
        slow: bool,
        lost: fn() -> T,
        work: impl FnOnce() -> (T, Option<Box<Instance>>) + Send + 'static,
    ) -> PendingCall<T> {
        let Self::Dedicated(plugin, _) = self else { return PendingCall::Ready(lost()) };
        if slow {
            let plugin = Arc::clone(plugin);
            return PendingCall::Running(Box::pin(async move {
                plugin.executor.run(work).await.unwrap_or_else(|| (lost(), None))
            }));
        }
        let (answer, instance) = work();
        self.return_instance(instance);
        PendingCall::Ready(answer)
    }
}

/// Brings a handshake to an instance of its own on a guest thread.
fn connect_on_guest_thread(
    plugin: Arc<Plugin>,
    work: impl FnOnce() -> (CallOutcome, Option<Box<Instance>>) + Send + 'static,
    undo: &DisconnectContext,
) -> CallFuture<CallOutcome> {
    let (to, answered) = oneshot::channel();
    let (sender, receiver) = (undo.clone(), undo.clone());
    let receiving =
        GuardedReceiver::new(answered, move |unreceived| receiver.clone().undo_connect(unreceived));
    let work = move || {
        // Of a handshake that has ended meanwhile nothing happens.
        if !to.is_closed()
            && let Err(unreceived) = to.send(work())
        {
            sender.undo_connect(unreceived);
        }
    };
    Box::pin(async move {
        let lost = || (CallOutcome::failed(GuestFault::SharedInstanceFailed), None);
        let ran = plugin.executor.run(work).await;
        match ran {
            Some(()) => receiving.await.unwrap_or_else(|_| lost()),
            None => lost(),
        }
    })
}

/// Waits for a call without attending to a socket.
pub(super) async fn await_call<T>(seat: &mut InstanceBinding, calling: PendingCall<T>) -> T {
    match calling {
        PendingCall::Ready(answer) => answer,
        PendingCall::Running(running) => {
            let (answer, instance) = running.await;
            seat.return_instance(instance);
            answer
        }
    }
}

/// One call, with what the guest asked for.
pub(super) fn call_instance(instance: &mut Instance, call: Call) -> CallOutcome {
    let answer = instance.call(&call);
    let undone = instance.is_dead().then_some(call);
    let effects = instance.take_effects();
    CallOutcome { result: answer, effects, unapplied_call: undone }
}

/// The same in an instance of the session's own, which comes back to it.
fn call_dedicated(mut instance: Box<Instance>, call: Call) -> (CallOutcome, Option<Box<Instance>>) {
    (call_instance(&mut instance, call), Some(instance))
}
