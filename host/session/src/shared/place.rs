//! Where the owner of a shared instance leaves it while nothing waits for it. A session that finds it there enters
//! it on its own task, which spares two task switches an event; one that finds another in it leaves its event for
//! that one to take up.

use narrowboat_sync::{Entry, Next, Slot, Taken};
use tokio::sync::oneshot;
use tracing::Span;

use super::Answer;
use crate::apply::Outlet;
use crate::seat::{Called, enter};
use narrowboat_core::closure::Closure;
use narrowboat_core::fault::GuestFault;
use narrowboat_core::waking;
use narrowboat_runtime::{Call, ConnectionId, Instance, Returned};

/// Events that wait for whoever is in the instance; further ones go to its owner, where sessions wait to queue them.
const MAX_WAITING: usize = 256;

/// Events of others that a session takes up before it goes on with its own business.
const TAKEN_UP: usize = 64;

/// An instance, or nothing while its owner has it, and the events that wait for it.
#[derive(Default)]
pub(super) struct Place(Slot<Left, Waiting>);

/// What the owner finds when it comes back. Whoever is in the instance leaves it where it is, so that it is there even
/// after a panic.
#[derive(Default)]
pub(super) struct Left {
    pub(super) instance: Option<Box<Instance>>,
    /// Nobody enters before its owner has seen to it.
    pub(super) due: Option<Due>,
}

/// What is its owner's to do before there is another event.
pub(super) enum Due {
    /// The instance has died.
    Death(Death),
    /// A consumer whose peer left while its handshake was decided is to be told so, and calls have become long.
    Disconnect(ConnectionId),
}

/// An event of which the instance has died, and who waits for what comes of it.
pub(super) struct Death {
    pub(super) call: Call,
    pub(super) fault: GuestFault,
    pub(super) to: oneshot::Sender<Answer>,
}

/// An event, where its answer goes, and what a trace shows it as.
pub(crate) struct Waiting {
    pub(super) call: Call,
    pub(super) to: oneshot::Sender<Answer>,
    pub(super) span: Span,
}

/// What came of an attempt to enter.
pub(super) enum Entered {
    /// The call is over, and its effects are applied.
    Over(Called),
    /// It has died of the event, which its owner is to find out.
    Died(oneshot::Receiver<Answer>),
    /// Somebody is in it: the event waits.
    Waits(oneshot::Receiver<Answer>),
    /// Its owner has it, or has to see to it.
    No(Call),
}

impl Place {
    /// Enters the instance, if it is here and its calls are short; [`Place::serve`] is to follow. What the guest
    /// asks for is done before the next event comes to it.
    pub(super) fn enter(&self, call: Call, outlet: &Outlet<'_>) -> Entered {
        // Whoever this call wakes may want to enter too, and can when it is over.
        let _held = waking::hold();
        let mut left = match self.0.enter() {
            Entry::In(left) => left,
            Entry::Busy => return self.wait(call),
            // Its owner ends what somebody has panicked in.
            Entry::Broken => return Entered::No(call),
        };
        let Some(instance) = left.ready() else { return Entered::No(call) };
        let called = run(instance, call, outlet);
        match (called.answer, called.undone) {
            (Err(fault), Some(call)) => {
                let (to, answered) = oneshot::channel();
                left.due = Some(Due::Death(Death { call, fault, to }));
                Entered::Died(answered)
            }
            (answer, undone) => Entered::Over(Called { answer, effects: Vec::new(), undone }),
        }
    }

    /// Takes up what came while this session was in the instance.
    pub(super) fn serve(&self, outlet: &Outlet<'_>) -> Next {
        self.0.serve(TAKEN_UP, waking::hold, Left::is_ready, |left, waiting| {
            left.take_up(waiting, outlet);
        })
    }

    /// Leaves the instance here.
    pub(super) fn leave(&self, instance: Option<Box<Instance>>) {
        self.0.leave(Left { instance, due: None });
    }

    /// What was left, if nobody is in it.
    pub(super) fn take(&self) -> Option<Taken<Left>> {
        self.0.take()
    }

    /// The event that has waited for longest.
    pub(super) fn next(&self) -> Option<Waiting> {
        self.0.next()
    }

    /// Nobody comes any more: who waits, or would, goes elsewhere.
    pub(super) fn close(&self) {
        self.0.close();
    }

    fn wait(&self, call: Call) -> Entered {
        let Some(vacancy) = self.0.vacancy(MAX_WAITING) else { return Entered::No(call) };
        let (to, answered) = oneshot::channel();
        vacancy.fill(Waiting { call, to, span: Span::current() });
        Entered::Waits(answered)
    }
}

impl Waiting {
    /// Whether it is a handshake that has ended meanwhile: nothing happens of it.
    pub(super) fn is_abandoned(&self) -> bool {
        matches!(self.call, Call::Connect { .. }) && self.to.is_closed()
    }
}

impl Left {
    fn is_ready(&self) -> bool {
        let ready = |instance: &Instance| !instance.is_dead() && !instance.version().is_slow();
        self.due.is_none() && self.instance.as_deref().is_some_and(ready)
    }

    /// The instance, if it is here, lives, its calls are short and its owner has nothing to do.
    fn ready(&mut self) -> Option<&mut Instance> {
        if self.is_ready() { self.instance.as_deref_mut() } else { None }
    }

    /// Brings another session's event to the instance.
    fn take_up(&mut self, waiting: Waiting, outlet: &Outlet<'_>) {
        if waiting.is_abandoned() {
            return;
        }
        let Waiting { call, to, span } = waiting;
        let Some((answer, to)) = span.in_scope(|| self.run(call, to, outlet)) else { return };
        if let Err(Ok(Returned::Accepted(id, _))) = to.send(answer) {
            // The peer left while its handshake was decided: its consumer is told so. Nobody waits for that.
            if !self.is_ready() {
                self.due = Some(Due::Disconnect(id));
                return;
            }
            let (to, _) = oneshot::channel();
            let _ = self.run(Call::Disconnect(id, Closure::abnormal()), to, outlet);
        }
    }

    /// One call. One of which the instance dies is left to its owner to answer.
    fn run(
        &mut self,
        call: Call,
        to: oneshot::Sender<Answer>,
        outlet: &Outlet<'_>,
    ) -> Option<(Answer, oneshot::Sender<Answer>)> {
        // Whether calls are short has been looked at: that changes at any time, by what other instances do.
        let Some(instance) = self.instance.as_deref_mut().filter(|it| !it.is_dead()) else {
            return Some((Err(GuestFault::InstanceGone), to));
        };
        let called = run(instance, call, outlet);
        match (called.answer, called.undone) {
            (Err(fault), Some(call)) => {
                self.due = Some(Due::Death(Death { call, fault, to }));
                None
            }
            (answer, _) => Some((answer, to)),
        }
    }
}

fn run(instance: &mut Instance, call: Call, outlet: &Outlet<'_>) -> Called {
    let mut called = enter(instance, call);
    outlet.apply(std::mem::take(&mut called.effects));
    called
}
