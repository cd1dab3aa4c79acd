//! Where a session's consumer lives, and how an event gets there.

use std::pin::Pin;
use std::sync::Arc;

use super::shared::{SharedInstance, SharedInstances};
use crate::fault::GuestFault;
use crate::manifest::Isolation;
use crate::plugin::{Call, Effect, Instance, Plugin, Returned};

/// What a call answered, with what is left to be done about it.
pub(super) struct Called {
    pub(super) answer: Result<Returned, GuestFault>,
    /// Empty where the instance's owner has applied them.
    pub(super) effects: Vec<Effect>,
}

impl Called {
    fn failed(fault: GuestFault) -> Self {
        Self { answer: Err(fault), effects: Vec::new() }
    }
}

/// A consumer's place in an instance.
pub(super) enum Seat {
    /// An instance of its own, owned by the session's task. `None` while a call has it, and after a
    /// trap.
    Own(Arc<Plugin>, Option<Box<Instance>>),
    /// A place in an instance that another task owns.
    Shared(SharedInstance),
}

/// A call that runs elsewhere. With the answer comes the instance, if it is this session's own.
pub(super) type Running = Pin<Box<dyn Future<Output = (Called, Option<Box<Instance>>)> + Send>>;

/// A call on its way.
pub(super) enum Calling {
    /// It ran on this task and is over.
    Over(Called),
    /// It is not over yet.
    Elsewhere(Running),
}

impl Seat {
    /// A place for a new connection.
    pub(super) fn new(plugin: &Arc<Plugin>, shared: Option<&SharedInstances>) -> Self {
        match (plugin.isolation, shared) {
            (Isolation::Shared, Some(shared)) => Self::Shared(shared.join()),
            _ => Self::Own(Arc::clone(plugin), None),
        }
    }

    /// Makes the instance, if the consumer has one of its own, and brings the handshake to it.
    pub(super) fn connect(&mut self, call: Call) -> Calling {
        match self {
            Self::Own(plugin, _) => {
                let version = Arc::clone(plugin.live());
                let slow = version.is_slow();
                let work = move || match Instance::new(version) {
                    Ok(instance) => enter(Box::new(instance), call),
                    Err(fault) => (Called::failed(fault), None),
                };
                self.run(slow, work)
            }
            Self::Shared(_) => self.call(call),
        }
    }

    /// Brings an event to the consumer.
    pub(super) fn call(&mut self, call: Call) -> Calling {
        match self {
            Self::Own(_, instance) => {
                let Some(instance) = instance.take() else {
                    return Calling::Over(Called::failed(GuestFault::InstanceGone));
                };
                let slow = instance.version().is_slow();
                self.run(slow, move || enter(instance, call))
            }
            Self::Shared(shared) => {
                let answer = shared.clone().call(call);
                Calling::Elsewhere(Box::pin(async {
                    (Called { answer: answer.await, effects: Vec::new() }, None)
                }))
            }
        }
    }

    /// Takes back what a call elsewhere has brought.
    pub(super) fn put_back(&mut self, returned: Option<Box<Instance>>) {
        if let Self::Own(_, instance) = self {
            *instance = returned;
        }
    }

    fn run(
        &mut self,
        slow: bool,
        work: impl FnOnce() -> (Called, Option<Box<Instance>>) + Send + 'static,
    ) -> Calling {
        let Self::Own(plugin, _) = self else {
            return Calling::Over(Called::failed(GuestFault::InstanceGone));
        };
        if slow {
            let plugin = Arc::clone(plugin);
            return Calling::Elsewhere(Box::pin(async move {
                let lost = || (Called::failed(GuestFault::InstanceGone), None);
                plugin.share.run(work).await.unwrap_or_else(lost)
            }));
        }
        let (called, instance) = work();
        self.put_back(instance);
        Calling::Over(called)
    }
}

/// One call; the instance comes back unless it has failed.
fn enter(mut instance: Box<Instance>, call: Call) -> (Called, Option<Box<Instance>>) {
    let answer = instance.call(call);
    if matches!(&answer, Err(fault) if fault.ends_instance()) {
        return (Called { answer, effects: Vec::new() }, None);
    }
    let effects = instance.take_effects();
    (Called { answer, effects }, Some(instance))
}
