//! Where a session's consumer lives, and how an event gets there.

use std::pin::Pin;
use std::sync::Arc;

use super::roster::Roster;
use super::shared::SharedInstance;
use crate::config::FailedMove;
use crate::fault::GuestFault;
use crate::manifest::Isolation;
use crate::plugin::{
    Call, Effect, Instance, MoveError, Plugin, Returned, Sample, Transfer, Version, Way, restart,
    transfer,
};

/// What a call answered, with what is left to be done about it.
pub(super) struct Called {
    pub(super) answer: Result<Returned, GuestFault>,
    /// Empty where the instance's owner has applied them.
    pub(super) effects: Vec<Effect>,
    /// The event itself, if the instance died of it and none of it has happened.
    pub(super) undone: Option<Call>,
}

impl Called {
    pub(super) fn failed(fault: GuestFault) -> Self {
        Self { answer: Err(fault), effects: Vec::new(), undone: None }
    }
}

/// A consumer's place in an instance.
pub(super) enum Seat {
    /// An instance of its own, owned by the session's task. `None` while a call has it.
    Own(Arc<Plugin>, Option<Box<Instance>>),
    /// A place in an instance that another task owns.
    Shared(Arc<Roster>, SharedInstance),
}

/// Work in an instance that runs elsewhere. With the answer comes the instance, if it is this
/// session's own.
pub(super) type Running<T> = Pin<Box<dyn Future<Output = (T, Option<Box<Instance>>)> + Send>>;

/// Work in an instance on its way.
pub(super) enum Calling<T> {
    /// It ran on this task and is over.
    Over(T),
    /// It is not over yet.
    Elsewhere(Running<T>),
}

impl Seat {
    /// A place for a new connection.
    pub(super) fn new(roster: &Arc<Roster>) -> Self {
        match roster.plugin.isolation {
            Isolation::Shared => Self::Shared(Arc::clone(roster), roster.share()),
            Isolation::Connection => Self::Own(Arc::clone(&roster.plugin), None),
        }
    }

    /// Whether the consumer has an instance of its own.
    pub(super) fn is_own(&self) -> bool {
        matches!(self, Self::Own(..))
    }

    /// Makes the instance, if the consumer has one of its own, and brings the handshake to it.
    pub(super) fn connect(&mut self, call: Call) -> Calling<Called> {
        match self {
            Self::Own(plugin, _) => {
                let version = plugin.live();
                if let Err(bound) = plugin.allowance.check_instance(version.places()) {
                    return Calling::Over(Called::failed(GuestFault::Bounded(bound.name())));
                }
                let slow = version.is_slow();
                let lost = || Called::failed(GuestFault::InstanceGone);
                self.run(slow, lost, move || match Instance::new(version) {
                    Ok(instance) => own(enter(Box::new(instance), call)),
                    Err(fault) => (Called::failed(fault), None),
                })
            }
            Self::Shared(..) => self.call(call),
        }
    }

    /// Brings an event to the consumer.
    pub(super) fn call(&mut self, call: Call) -> Calling<Called> {
        if let Self::Shared(roster, shared) = self {
            return shared.call(call, &roster.outlet());
        }
        let lost = || Called::failed(GuestFault::InstanceGone);
        self.with_own(None, lost, move |instance| own(enter(instance, call)))
    }

    /// The version that the consumer's own instance runs.
    pub(super) fn version(&self) -> Option<&Arc<Version>> {
        match self {
            Self::Own(_, instance) => instance.as_ref().map(|instance| instance.version()),
            Self::Shared(..) => None,
        }
    }

    /// Whether the consumer's own instance has failed.
    pub(super) fn is_dead(&self) -> bool {
        match self {
            Self::Own(_, instance) => instance.as_ref().is_none_or(|instance| instance.is_dead()),
            Self::Shared(..) => false,
        }
    }

    /// Gives up the consumer's own instance if it has failed.
    pub(super) fn clear_dead(&mut self) {
        if self.is_own() && self.is_dead() {
            self.put_back(None);
        }
    }

    /// Takes a sample of the consumer's own instance.
    pub(super) fn sample(&mut self) -> Calling<Result<Sample, MoveError>> {
        let lost = || Err(MoveError::Snapshot(GuestFault::InstanceGone));
        self.with_own(None, lost, |mut instance| {
            let sample = instance.sample();
            (sample, Some(instance))
        })
    }

    /// Moves the consumer's own instance to another version, or leaves it as it is.
    pub(super) fn transfer(
        &mut self,
        to: Arc<Version>,
        way: Way,
    ) -> Calling<Result<Transfer, MoveError>> {
        let lost = || Err(MoveError::Snapshot(GuestFault::InstanceGone));
        self.with_own(Some(&Arc::clone(&to)), lost, move |mut instance| {
            let moved = transfer(&mut instance, to, way, FailedMove::KeepOld);
            (moved, Some(instance))
        })
    }

    /// Puts a fresh consumer in the place of this one, in an instance of another version.
    pub(super) fn restart(&mut self, to: Arc<Version>) -> Calling<Result<Vec<Effect>, MoveError>> {
        let lost = || Err(MoveError::Start(GuestFault::InstanceGone));
        self.with_own(Some(&Arc::clone(&to)), lost, move |old| match restart(&old, to) {
            Ok((instance, effects)) => (Ok(effects), Some(instance)),
            Err(why) => (Err(why), Some(old)),
        })
    }

    /// Takes back what work elsewhere has brought.
    pub(super) fn put_back(&mut self, returned: Option<Box<Instance>>) {
        if let Self::Own(_, instance) = self {
            *instance = returned;
        }
    }

    /// Works in the consumer's own instance, on a guest thread if its version, or the `other` one
    /// it meets there, is slow.
    fn with_own<T: Send + 'static>(
        &mut self,
        other: Option<&Arc<Version>>,
        lost: fn() -> T,
        work: impl FnOnce(Box<Instance>) -> (T, Option<Box<Instance>>) + Send + 'static,
    ) -> Calling<T> {
        let Self::Own(_, instance) = self else { return Calling::Over(lost()) };
        let Some(instance) = instance.take() else { return Calling::Over(lost()) };
        let slow = instance.version().is_slow() || other.is_some_and(|version| version.is_slow());
        self.run(slow, lost, move || work(instance))
    }

    fn run<T: Send + 'static>(
        &mut self,
        slow: bool,
        lost: fn() -> T,
        work: impl FnOnce() -> (T, Option<Box<Instance>>) + Send + 'static,
    ) -> Calling<T> {
        let Self::Own(plugin, _) = self else { return Calling::Over(lost()) };
        if slow {
            let plugin = Arc::clone(plugin);
            return Calling::Elsewhere(Box::pin(async move {
                plugin.share.run(work).await.unwrap_or_else(|| (lost(), None))
            }));
        }
        let (answer, instance) = work();
        self.put_back(instance);
        Calling::Over(answer)
    }
}

/// One call; what the guest asked for comes back with the instance.
pub(super) fn enter(mut instance: Box<Instance>, call: Call) -> (Called, Box<Instance>) {
    let answer = instance.call(&call);
    let undone = instance.is_dead().then_some(call);
    let effects = instance.take_effects();
    (Called { answer, effects, undone }, instance)
}

/// The instance is this session's own, and comes back to it.
fn own((called, instance): (Called, Box<Instance>)) -> (Called, Option<Box<Instance>>) {
    (called, Some(instance))
}
