//! Shared isolation: one task owns an instance, and many sessions bring it their events.

mod owner;
mod place;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use narrowboat_sync::Next;
use tokio::sync::oneshot::error::RecvError;
use tokio::sync::{mpsc, oneshot};
use tracing::Span;

use super::abandon::{Abandoned, Receiving};
use super::apply::Outlet;
use super::order::Order;
use super::roster::{Roster, Station};
use super::seat::{Called, Calling, Seat};
use narrowboat_core::fault::GuestFault;
use narrowboat_runtime::{Call, Returned};
use owner::Owner;
use place::{Entered, Place, Waiting};

/// Events that wait for one instance; further sessions wait to queue theirs.
const QUEUE: usize = 256;

type Answer = Result<Returned, GuestFault>;

/// What the owner of an instance is brought.
pub(super) enum Job {
    /// An event.
    Call(Waiting),
    /// To look what became of the instance, and what waits for it.
    Look,
    /// What a swap asks.
    Order(Order),
}

/// The way to a shared instance. Its task ends when nobody has one any more.
#[derive(Clone)]
pub(super) struct SharedInstance {
    jobs: mpsc::Sender<Job>,
    place: Arc<Place>,
}

/// The shared instances of one plugin, made when first needed and again after a trap.
pub(super) struct SharedInstances {
    slots: Mutex<Slots>,
}

struct Slots {
    instances: Vec<Option<Kept>>,
    /// The slot the next connection goes to, in turn.
    next: usize,
    /// Nothing leads to the plugin any more: its instances live as long as their connections.
    retired: bool,
}

/// A shared instance that new connections go to.
struct Kept {
    jobs: mpsc::WeakSender<Job>,
    place: Arc<Place>,
    /// Has it live on without connections.
    alive: Option<mpsc::Sender<Job>>,
}

impl Kept {
    fn instance(&self) -> Option<SharedInstance> {
        let jobs = self.jobs.upgrade().filter(|jobs| !jobs.is_closed())?;
        Some(SharedInstance { jobs, place: Arc::clone(&self.place) })
    }
}

impl SharedInstances {
    /// So many empty slots.
    pub(super) fn new(count: usize) -> Self {
        let instances = std::iter::repeat_with(|| None).take(count).collect();
        Self { slots: Mutex::new(Slots { instances, next: 0, retired: false }) }
    }

    /// From now on an instance ends with its last connection.
    pub(super) fn retire(&self) {
        let mut slots = self.lock();
        slots.retired = true;
        let unused: Vec<_> =
            slots.instances.iter_mut().flatten().map(|it| it.alive.take()).collect();
        drop(slots);
        drop(unused);
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        // Nothing in here panics between two writes, so poisoned slots are still whole.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Roster {
    /// The instance for a new connection.
    pub(super) fn share(self: &Arc<Self>) -> SharedInstance {
        let mut slots = self.shared.lock();
        let index = slots.next;
        slots.next = (index + 1) % slots.instances.len();
        if let Some(instance) = slots.instances[index].as_ref().and_then(Kept::instance) {
            return instance;
        }
        let (jobs, queue) = mpsc::channel(QUEUE);
        let listed = self.list(Station::Shared(jobs.downgrade()));
        let place = Arc::<Place>::default();
        let owner = Owner::new(self, listed, &place);
        tokio::spawn(owner.run(queue));
        let alive = (!slots.retired).then(|| jobs.clone());
        let kept = Kept { jobs: jobs.downgrade(), place: Arc::clone(&place), alive };
        slots.instances[index] = Some(kept);
        SharedInstance { jobs, place }
    }
}

impl SharedInstance {
    /// Brings an event to the instance: at once, if it is at leave and its calls are short, else by whoever is in
    /// it, or by its owner.
    pub(super) fn call(&self, call: Call, outlet: &Outlet<'_>) -> Calling<Called> {
        let _told = TellIfPanicked(self);
        match self.place.enter(call, outlet) {
            Entered::Over(called) => {
                self.serve(outlet);
                Calling::Over(called)
            }
            Entered::Waits(answered) => {
                // Whoever was in it may have gone meanwhile.
                self.serve(outlet);
                Calling::Elsewhere(Box::pin(async { (heard(answered.await), None) }))
            }
            Entered::Died(answered) => {
                self.look();
                Calling::Elsewhere(Box::pin(async { (heard(answered.await), None) }))
            }
            Entered::No(call) => {
                let (to, answered) = oneshot::channel();
                self.ask(Job::Call(Waiting { call, to, span: Span::current() }), answered)
            }
        }
    }

    /// Brings a handshake to the instance, as [`SharedInstance::call`] does an event. What is accepted and not
    /// received is undone: by this when it is dropped with the answer in it, else by whoever finds nobody waiting.
    pub(super) fn connect(&self, call: Call, undo: &Abandoned) -> Calling<Called> {
        let _told = TellIfPanicked(self);
        let outlet = undo.roster.outlet();
        let (job, answered) = match self.place.enter(call, &outlet) {
            Entered::Over(called) => {
                self.serve(&outlet);
                return Calling::Over(called);
            }
            Entered::Waits(answered) => {
                self.serve(&outlet);
                (None, answered)
            }
            Entered::Died(answered) => {
                self.look();
                (None, answered)
            }
            Entered::No(call) => {
                let (to, answered) = oneshot::channel();
                (Some(Job::Call(Waiting { call, to, span: Span::current() })), answered)
            }
        };
        let (undo, instance) = (undo.clone(), self.clone());
        let receiving = Receiving::new(answered, move |answer: Answer| {
            if let Ok(Returned::Accepted(id, _)) = answer {
                let seat = Seat::Shared(Arc::clone(&undo.roster), instance.clone());
                undo.clone().disconnect(seat, id);
            }
        });
        let jobs = self.jobs.clone();
        Calling::Elsewhere(Box::pin(async move {
            if let Some(job) = job
                && jobs.send(job).await.is_err()
            {
                return (Called::failed(GuestFault::InstanceGone), None);
            }
            (heard(receiving.await), None)
        }))
    }

    /// Takes up what others have for the instance, or has its owner do so.
    fn serve(&self, outlet: &Outlet<'_>) {
        if self.place.serve(outlet) == Next::Owner {
            self.look();
        }
    }

    /// Has the owner look. One with a full queue looks without being told, and one that goes lets nobody wait.
    fn look(&self) {
        let _ = self.jobs.try_send(Job::Look);
    }

    fn ask(&self, job: Job, answered: oneshot::Receiver<Answer>) -> Calling<Called> {
        let jobs = self.jobs.clone();
        Calling::Elsewhere(Box::pin(async move {
            let called = match jobs.send(job).await {
                Ok(()) => heard(answered.await),
                Err(_) => Called::failed(GuestFault::InstanceGone),
            };
            (called, None)
        }))
    }
}

/// Has the owner look if a panic ends a session in the instance: it is broken then, and its connections are to end.
struct TellIfPanicked<'a>(&'a SharedInstance);

impl Drop for TellIfPanicked<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.look();
        }
    }
}

/// What came of an event; without an answer the instance is gone.
fn heard(answer: Result<Answer, RecvError>) -> Called {
    let answer = answer.unwrap_or(Err(GuestFault::InstanceGone));
    Called { answer, effects: Vec::new(), undone: None }
}
