//! Where the owner of a shared instance leaves it while nothing waits for it. A session that finds it there enters
//! it on its own task, which spares two task switches an event; one that finds another in it leaves its event for
//! that one to take up.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use tokio::sync::oneshot;
use tracing::Span;

use super::Answer;
use crate::closure::Closure;
use crate::fault::GuestFault;
use crate::plugin::{Call, Instance, Returned};
use crate::session::apply::Outlet;
use crate::session::seat::{Called, enter};
use crate::waking;

/// Events that wait for whoever is in the instance; further ones go to its owner, where sessions wait to queue them.
const MAX_WAITING: usize = 256;

/// Events of others that a session takes up before it goes on with its own business.
const TAKEN_UP: usize = 64;

/// An instance, or nothing while its owner has it, and the events that wait for it.
#[derive(Default)]
pub(super) struct Place {
    left: Mutex<Left>,
    waiting: Mutex<Events>,
    /// As many as wait, for those who look often and find none.
    count: AtomicUsize,
}

/// What the owner finds when it comes back.
#[derive(Default)]
pub(super) struct Left {
    pub(super) instance: Option<Box<Instance>>,
    pub(super) death: Option<Death>,
}

/// An event of which the instance has died, and who waits for what comes of it.
pub(super) struct Death {
    pub(super) call: Call,
    pub(super) fault: GuestFault,
    pub(super) to: oneshot::Sender<Answer>,
}

/// An event, where its answer goes, and what a trace shows it as.
pub(in crate::session) struct Waiting {
    pub(super) call: Call,
    pub(super) to: oneshot::Sender<Answer>,
    pub(super) span: Span,
}

#[derive(Default)]
struct Events {
    events: VecDeque<Waiting>,
    /// Nobody comes any more to see to them.
    closed: bool,
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

/// Who sees to what waits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing waits, or somebody is in the instance who will.
    Nobody,
    /// The owner, which has to be told.
    Owner,
}

impl Place {
    /// Enters the instance, if it is here and its calls are short; [`Place::serve`] is to follow. What the guest
    /// asks for is done before the next event comes to it.
    pub(super) fn enter(&self, call: Call, outlet: &Outlet<'_>) -> Entered {
        // Whoever this call wakes may want to enter too, and can when it is over.
        let _held = waking::hold();
        let Ok(mut left) = self.left.try_lock() else { return self.wait(call) };
        let Some(instance) = left.ready() else { return Entered::No(call) };
        let (called, instance) = run(instance, call, outlet);
        left.instance = Some(instance);
        match (called.answer, called.undone) {
            (Err(fault), Some(call)) => {
                let (to, answered) = oneshot::channel();
                left.death = Some(Death { call, fault, to });
                Entered::Died(answered)
            }
            (answer, undone) => Entered::Over(Called { answer, effects: Vec::new(), undone }),
        }
    }

    /// Takes up what came while this session was in the instance.
    pub(super) fn serve(&self, outlet: &Outlet<'_>) -> Next {
        // Either this sees what another has put there, or that one sees that nobody is in the instance.
        fence(Ordering::SeqCst);
        let mut taken = 0;
        while self.count.load(Ordering::Relaxed) > 0 {
            let _held = waking::hold();
            let Ok(mut left) = self.left.try_lock() else { return Next::Nobody };
            while taken < TAKEN_UP
                && let Some(instance) = left.ready()
            {
                let Some(waiting) = self.next() else {
                    left.instance = Some(instance);
                    break;
                };
                taken += 1;
                left.take_up(instance, waiting, outlet);
            }
            if taken == TAKEN_UP || !left.is_ready() {
                return Next::Owner;
            }
            drop(left);
            fence(Ordering::SeqCst);
        }
        Next::Nobody
    }

    /// Leaves the instance here.
    pub(super) fn leave(&self, instance: Option<Box<Instance>>) {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).instance = instance;
        fence(Ordering::SeqCst);
    }

    /// What was left, if nobody is in it.
    pub(super) fn take(&self) -> Option<Left> {
        match self.left.try_lock() {
            Ok(mut left) => Some(std::mem::take(&mut left)),
            Err(TryLockError::Poisoned(left)) => Some(std::mem::take(&mut left.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// The event that has waited for longest.
    pub(super) fn next(&self) -> Option<Waiting> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut events = self.events();
        let waiting = events.events.pop_front();
        self.count.store(events.events.len(), Ordering::Relaxed);
        waiting
    }

    /// Nobody comes any more: who waits, or would, goes elsewhere.
    pub(super) fn close(&self) {
        let mut events = self.events();
        events.closed = true;
        let left = std::mem::take(&mut events.events);
        self.count.store(0, Ordering::Relaxed);
        drop(events);
        drop(left);
    }

    fn wait(&self, call: Call) -> Entered {
        let mut events = self.events();
        if events.closed || events.events.len() >= MAX_WAITING {
            return Entered::No(call);
        }
        let (to, answered) = oneshot::channel();
        events.events.push_back(Waiting { call, to, span: Span::current() });
        self.count.store(events.events.len(), Ordering::Relaxed);
        Entered::Waits(answered)
    }

    fn events(&self) -> MutexGuard<'_, Events> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Left {
    fn is_ready(&self) -> bool {
        let ready = |instance: &Instance| !instance.is_dead() && !instance.version().is_slow();
        self.instance.as_deref().is_some_and(ready)
    }

    /// The instance, if it is here, lives, and its calls are short.
    fn ready(&mut self) -> Option<Box<Instance>> {
        if self.is_ready() { self.instance.take() } else { None }
    }

    /// Brings another session's event to the instance.
    fn take_up(&mut self, instance: Box<Instance>, waiting: Waiting, outlet: &Outlet<'_>) {
        let Waiting { call, to, span } = waiting;
        let (called, instance) = span.in_scope(|| run(instance, call, outlet));
        self.instance = Some(instance);
        let answer = match (called.answer, called.undone) {
            (Err(fault), Some(call)) => {
                self.death = Some(Death { call, fault, to });
                return;
            }
            (answer, _) => answer,
        };
        if let Err(Ok(Returned::Accepted(id, _))) = to.send(answer)
            && let Some(instance) = self.ready()
        {
            // The peer left while its handshake was decided: its consumer is told so.
            let (_, instance) = run(instance, Call::Disconnect(id, Closure::abnormal()), outlet);
            self.instance = Some(instance);
        }
    }
}

fn run(instance: Box<Instance>, call: Call, outlet: &Outlet<'_>) -> (Called, Box<Instance>) {
    let (mut called, instance) = enter(instance, call);
    outlet.apply(std::mem::take(&mut called.effects));
    (called, instance)
}
