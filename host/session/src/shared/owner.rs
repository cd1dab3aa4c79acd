//! The task that owns a shared instance: it has it where its calls are long, where a swap wants it, and where it has died.

use std::sync::Arc;
use std::time::Duration;

use narrowboat_sync::Taken;
use tokio::sync::{mpsc, oneshot};
use tracing::Instrument;

use super::place::{Death, Due, Left, Place, Waiting};
use super::{Answer, Job, QUEUE};
use crate::apply::Outlet;
use crate::order::{Direction, MoveOrder, Moving, Order};
use crate::roster::{Listed, Roster};
use crate::seat::{Called, enter};
use crate::tell_undone;
use narrowboat_config::FailedMove;
use narrowboat_core::closure::Closure;
use narrowboat_core::fault::{Fault, GuestFault, HostFault};
use narrowboat_runtime::{
    Ahead, Call, ConnectionId, Instance, MoveError, Outcome, Plugin, Returned, Transfer, Version,
    Way, aside, restart, transfer,
};

/// Consumers that are saved ahead of a move between two looks at the queue.
const SAVED_AT_ONCE: usize = 32;

/// Times that the owner looks for an instance whose call is not over, before it takes that for a long one.
const SHORT_WAITS: u32 = 64;

/// Between two looks then.
const LONG_WAIT: Duration = Duration::from_millis(1);

/// The task that owns the instance, and with it the store.
pub(super) struct Owner {
    roster: Arc<Roster>,
    listed: Listed,
    /// Boxed, since it moves to a guest thread and back. `None` before the first event, after a failure, and
    /// while it is lent.
    instance: Option<Box<Instance>>,
    /// Where it is left while nothing waits for it.
    place: Arc<Place>,
    /// What has been saved of it ahead of a move.
    ahead: Ahead,
}

impl Owner {
    /// Of an instance that is made at the first event.
    pub(super) fn new(roster: &Arc<Roster>, listed: Listed, place: &Arc<Place>) -> Self {
        let (roster, place) = (Arc::clone(roster), Arc::clone(place));
        Self { roster, listed, instance: None, place, ahead: Ahead::default() }
    }

    /// To the end of the instance, however that comes: it fails, or its plugin is retired and the last of its connections
    /// has gone. The queue is dropped before the owner, whose drop has whoever waits go to another instance, and not here
    /// again.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        self.work(&mut queue).await;
    }

    async fn work(&mut self, queue: &mut mpsc::Receiver<Job>) {
        loop {
            // Between any two jobs, so that sessions which could enter by themselves do not queue up behind
            // one that could not.
            self.place.leave(self.instance.take());
            let job = match self.place.next() {
                Some(waiting) => Job::Call(waiting),
                None => {
                    // Whoever has an event, or a consumer here, has a sender too.
                    let Some(job) = queue.recv().await else { return };
                    job
                }
            };
            if !self.take_back().await {
                return;
            }
            if let Job::Order(Order::Move(MoveOrder { direction: Direction::On, .. })) = &job {
                self.save_ahead(queue).await;
            }
            let looked = matches!(job, Job::Look);
            self.take_up(job).await;
            if self.instance.is_none() && !looked {
                return;
            }
        }
    }

    /// Takes the instance back, once the call in it is over. No thread waits meanwhile. False if it has died,
    /// and with it its connections.
    async fn take_back(&mut self) -> bool {
        let mut waits = 0;
        let due = loop {
            if let Some(Taken { content: Left { instance, due }, broken }) = self.place.take() {
                self.instance = instance;
                if broken {
                    self.end();
                    return false;
                }
                break due;
            }
            waits += 1;
            if waits < SHORT_WAITS {
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(LONG_WAIT).await;
            }
        };
        match due {
            None => return true,
            Some(Due::Death(Death { call, fault, to })) => {
                let answer = self.survive(call, fault).await;
                self.answer(to, answer).await;
            }
            Some(Due::Disconnect(id)) => self.tell_of_abandoned(id).await,
        }
        self.instance.is_some()
    }

    async fn take_up(&mut self, job: Job) {
        match job {
            Job::Call(waiting) if waiting.is_abandoned() => {}
            Job::Call(Waiting { call, to, span }) => {
                let answer = self.call(call).instrument(span).await;
                self.answer(to, answer).await;
            }
            Job::Look => {}
            Job::Order(order) => self.obey(order).await,
        }
    }

    /// Answers whoever waits for an event. If the peer left while its handshake was decided, its consumer is told so.
    async fn answer(&mut self, to: oneshot::Sender<Answer>, answer: Answer) {
        if let Err(Ok(Returned::Accepted(id, _))) = to.send(answer) {
            self.tell_of_abandoned(id).await;
        }
    }

    async fn tell_of_abandoned(&mut self, id: ConnectionId) {
        let _ = self.call(Call::Disconnect(id, Closure::abnormal())).await;
    }

    /// Saves consumers a few at a time, taking up in between what comes for them, so that the move
    /// itself has to save only those that changed meanwhile.
    async fn save_ahead(&mut self, queue: &mut mpsc::Receiver<Job>) {
        self.ahead = Ahead::default();
        let consumers = self.instance.as_ref().map_or_else(Vec::new, |it| it.consumers());
        if consumers.len() <= SAVED_AT_ONCE {
            return;
        }
        for some in consumers.chunks(SAVED_AT_ONCE) {
            let (some, mut ahead) = (some.to_vec(), std::mem::take(&mut self.ahead));
            let saved = self.with_instance(move |instance| {
                instance.save_ahead(&some, &mut ahead);
                ahead
            });
            let Some(ahead) = saved.await else { return };
            self.ahead = ahead;
            for _ in 0..QUEUE {
                let Ok(job) = queue.try_recv() else { break };
                self.take_up(job).await;
                if self.instance.is_none() {
                    return;
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// One call, its effects applied. An instance that died of it goes back to the version before,
    /// if it left that not long ago, and the event is brought there; else its connections end.
    async fn call(&mut self, call: Call) -> Answer {
        let called = self.enter(call).await;
        match (called.answer, called.undone) {
            (Err(fault), Some(call)) => self.survive(call, fault).await,
            (answer, _) => answer,
        }
    }

    /// Goes on after the instance has died of an event.
    async fn survive(&mut self, call: Call, fault: GuestFault) -> Answer {
        if self.go_back(&fault).await {
            return Box::pin(self.call(call)).await;
        }
        self.end();
        Err(fault)
    }

    /// One call, its effects applied.
    async fn enter(&mut self, call: Call) -> Called {
        if let Some(id) = call.consumer() {
            self.ahead.forget(id);
        }
        let instance = match self.instance.take() {
            Some(instance) => Ok(instance),
            None => self.start().await,
        };
        let mut instance = match instance {
            Ok(instance) => instance,
            Err(fault) => return Called::failed(fault),
        };
        let slow = instance.version().is_slow();
        let work = move || (enter(&mut instance, call), instance);
        let returned = if slow { self.plugin().share.run(work).await } else { Some(work()) };
        let Some((mut called, instance)) = returned else {
            return Called::failed(GuestFault::InstanceGone);
        };
        self.instance = Some(instance);
        self.outlet().apply(std::mem::take(&mut called.effects));
        called
    }

    /// Has something done with the instance, where its calls run. `None` if there is none.
    async fn with_instance<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Instance) -> T + Send + 'static,
    ) -> Option<T> {
        let mut instance = self.instance.take()?;
        let slow = instance.version().is_slow();
        let work = move || {
            let done = work(&mut instance);
            (done, instance)
        };
        let done = if slow { self.plugin().share.run(work).await } else { Some(work()) };
        let (done, instance) = done?;
        self.instance = Some(instance);
        Some(done)
    }

    async fn start(&self) -> Result<Box<Instance>, GuestFault> {
        let version = self.plugin().live();
        let places = version.take_places()?;
        let instance = if version.is_slow() {
            let work = move || Instance::new(version, places);
            self.plugin().share.run(work).await.ok_or(GuestFault::InstanceGone)?
        } else {
            Instance::new(version, places)
        };
        instance.map(Box::new)
    }

    async fn obey(&mut self, order: Order) {
        match order {
            Order::Sample(answer) => {
                let Some(sample) = self.with_instance(Instance::sample).await else { return };
                let why = sample.as_ref().err().cloned();
                let _ = answer.send(sample);
                self.strand_if_dead(why).await;
            }
            Order::Move(MoveOrder { to, direction, done }) => {
                let moving = self.move_over(to, direction).await;
                let why = moving.why.clone();
                let _ = done.send(moving);
                self.strand_if_dead(why).await;
            }
        }
    }

    async fn move_over(&mut self, to: Arc<Version>, direction: Direction) -> Moving {
        let running = self.instance.as_ref().map(|instance| instance.version());
        if running.is_none_or(|version| Arc::ptr_eq(version, &to)) {
            return Moving::default();
        }
        let way = self.listed.way(direction, std::mem::take(&mut self.ahead));
        match self.transfer(to, way, direction).await {
            Ok(outcome) => Moving { outcome, why: None },
            Err(why) => {
                let count = self.instance.as_ref().map_or(0, |instance| instance.links().count());
                Moving::stayed(count as u64, why)
            }
        }
    }

    /// Takes all consumers to another version, or leaves everything as it was. On the way back
    /// nobody can stay: whoever came later and cannot move is closed, unless the policy is to
    /// restart it.
    async fn transfer(
        &mut self,
        to: Arc<Version>,
        way: Way,
        direction: Direction,
    ) -> Result<Outcome, MoveError> {
        let gone = || MoveError::Snapshot(GuestFault::InstanceGone);
        let mut instance = self.instance.take().ok_or_else(gone)?;
        let policy = match (self.plugin().failed_move, direction) {
            (FailedMove::KeepOld, Direction::Back) => FailedMove::Close,
            (policy, _) => policy,
        };
        let work = move || (transfer(&mut instance, to, way, policy), instance);
        let (moved, instance) = aside(work).await.ok_or_else(gone)?;
        self.instance = Some(instance);
        let Transfer { effects, left, outcome, old } = moved?;
        // That of many consumers takes a while, for which nobody has to wait.
        drop(tokio::task::spawn_blocking(move || drop(old)));
        if direction == Direction::On {
            self.listed.keep_left(left);
        }
        self.outlet().apply(effects);
        Ok(outcome)
    }

    /// Takes an instance that has failed back to the version it came from, if the one it runs is
    /// new; true if it has arrived.
    async fn go_back(&mut self, fault: &GuestFault) -> bool {
        let Some(left) = self.listed.take_left() else { return false };
        self.ahead = Ahead::default();
        let to = Arc::clone(left.version());
        let digest = to.digest().short();
        let back = self.transfer(to, Way::Back(left), Direction::Back).await;
        let plugin = &*self.plugin().label;
        match &back {
            Ok(Outcome { moved, undone, .. }) => tracing::warn!(
                plugin,
                "{fault}: its {moved} consumers go back to version {digest}, and to the state they \
                 left it with; the changes of {undone} events are lost"
            ),
            Err(why) => {
                tracing::warn!(plugin, "{fault}; and no way back to version {digest}: {why}");
            }
        }
        self.listed.tell_gone_back();
        back.is_ok()
    }

    /// If the instance died of being saved: its consumers begin afresh, if that is the policy, or
    /// their connections end.
    async fn strand_if_dead(&mut self, why: Option<MoveError>) {
        let Some(why) = why else { return };
        let Some(old) = self.instance.take_if(|instance| instance.is_dead()) else { return };
        let (digest, consumers) = (old.version().digest(), old.consumers().len());
        let links: Vec<_> = old.links().cloned().collect();
        if self.plugin().failed_move == FailedMove::Restart {
            let live = self.plugin().live();
            if let Some(Ok((instance, effects))) = aside(move || restart(&old, live)).await {
                self.instance = Some(instance);
                self.outlet().apply(effects);
                return;
            }
        }
        let lost = Fault::Host(HostFault::StateLost(why.to_string()));
        lost.log(&self.plugin().label, &format!("{} connections", links.len()), &digest.short());
        tell_undone(&self.plugin().label, Some(digest), consumers);
        links.iter().for_each(|link| link.outbound.fail(lost.clone()));
    }

    /// The instance has failed, and with it all its connections.
    fn end(&mut self) {
        let Some(instance) = self.instance.take() else { return };
        let version = instance.version().digest();
        tell_undone(&self.plugin().label, Some(version), instance.consumers().len());
        for link in instance.links() {
            link.outbound.fail(Fault::Guest(GuestFault::InstanceGone));
        }
    }

    fn plugin(&self) -> &Plugin {
        &self.roster.plugin
    }

    fn outlet(&self) -> Outlet<'_> {
        self.roster.outlet()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.place.close();
        // What an event has died of, and who waits for what comes of it, may lie there still.
        if let Some(Taken { content: Left { instance, due }, .. }) = self.place.take() {
            self.instance = self.instance.take().or(instance);
            drop(due);
        }
        if self.instance.as_ref().is_some_and(|instance| instance.links().next().is_some()) {
            self.end();
        }
    }
}
