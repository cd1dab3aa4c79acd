//! Where a session's consumer lives, and how an event gets there.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::abandon::{Abandoned, Receiving};
use super::roster::Roster;
use super::shared::SharedInstance;
use narrowboat_config::FailedMove;
use narrowboat_core::fault::GuestFault;
use narrowboat_core::manifest::Isolation;
use narrowboat_runtime::{
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

    /// Makes the instance, if the consumer has one of its own, and brings the handshake to it. What is accepted and
    /// not received, since whoever waits for it is dropped, is undone.
    pub(super) fn connect(&mut self, call: Call, undo: &Abandoned) -> Calling<Called> {
        match self {
            Self::Own(plugin, _) => {
                let version = plugin.live();
                let places = match version.take_places() {
                    Ok(places) => places,
                    Err(fault) => return Calling::Over(Called::failed(fault)),
                };
                let slow = version.is_slow();
                let work = move || match Instance::new(version, places) {
                    Ok(instance) => enter_own(Box::new(instance), call),
                    Err(fault) => (Called::failed(fault), None),
                };
                if slow {
                    return Calling::Elsewhere(connect_aside(Arc::clone(plugin), work, undo));
                }
                let (answer, instance) = work();
                self.put_back(instance);
                Calling::Over(answer)
            }
            Self::Shared(_, shared) => shared.connect(call, undo),
        }
    }

    /// Brings an event to the consumer.
    pub(super) fn call(&mut self, call: Call) -> Calling<Called> {
        if let Self::Shared(roster, shared) = self {
            return shared.call(call, &roster.outlet());
        }
        let lost = || Called::failed(GuestFault::InstanceGone);
        self.with_own(None, lost, move |instance| enter_own(instance, call))
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

    /// Takes the consumer's place, and leaves one without a consumer.
    pub(super) fn vacate(&mut self) -> Self {
        match self {
            Self::Own(plugin, instance) => Self::Own(Arc::clone(plugin), instance.take()),
            Self::Shared(roster, shared) => Self::Shared(Arc::clone(roster), shared.clone()),
        }
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

/// Brings a handshake to an instance of its own on a guest thread.
fn connect_aside(
    plugin: Arc<Plugin>,
    work: impl FnOnce() -> (Called, Option<Box<Instance>>) + Send + 'static,
    undo: &Abandoned,
) -> Running<Called> {
    let (to, answered) = oneshot::channel();
    let (sender, receiver) = (undo.clone(), undo.clone());
    let receiving = Receiving::new(answered, move |unreceived| receiver.clone().undo(unreceived));
    let work = move || {
        // Of a handshake that has ended meanwhile nothing happens.
        if !to.is_closed()
            && let Err(unreceived) = to.send(work())
        {
            sender.undo(unreceived);
        }
    };
    Box::pin(async move {
        let lost = || (Called::failed(GuestFault::InstanceGone), None);
        let ran = plugin.share.run(work).await;
        match ran {
            Some(()) => receiving.await.unwrap_or_else(|_| lost()),
            None => lost(),
        }
    })
}

/// Waits for a call without attending to a socket.
pub(super) async fn wait<T>(seat: &mut Seat, calling: Calling<T>) -> T {
    match calling {
        Calling::Over(answer) => answer,
        Calling::Elsewhere(running) => {
            let (answer, instance) = running.await;
            seat.put_back(instance);
            answer
        }
    }
}

/// One call, with what the guest asked for.
pub(super) fn enter(instance: &mut Instance, call: Call) -> Called {
    let answer = instance.call(&call);
    let undone = instance.is_dead().then_some(call);
    let effects = instance.take_effects();
    Called { answer, effects, undone }
}

/// The same in an instance of the session's own, which comes back to it.
fn enter_own(mut instance: Box<Instance>, call: Call) -> (Called, Option<Box<Instance>>) {
    (enter(&mut instance, call), Some(instance))
}
