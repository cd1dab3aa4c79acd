//! Models of the slot of a shared instance, with sessions that enter it and its owner. Each event must be applied exactly
//! once, by any of them. If the slot is closed, the event must be dropped, which its sender notices.

use std::sync::Arc as StdArc;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;
use narrowboat_sync::{HandoffEntry, HandoffQueue, HandoffSlot, NextDrainer};

const CAPACITY: usize = 8;

loom::lazy_static! {
    static ref SWITCH_POINT: AtomicUsize = AtomicUsize::new(0);
}

/// A point at which loom may switch threads. Loom switches only where both threads use one of its types. The owner calls
/// this under the lock and a session calls it before it tries the lock, so that a session can find the slot locked.
fn switch_point() {
    SWITCH_POINT.fetch_add(1, Ordering::Relaxed);
}

/// The value of the slot.
struct Content {
    /// Whether the instance is parked, or its owner has it.
    is_parked: bool,
    events: usize,
}

impl Content {
    fn new(is_parked: bool) -> Self {
        switch_point();
        Self { is_parked, events: 0 }
    }
}

impl Default for Content {
    fn default() -> Self {
        Self::new(false)
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        switch_point();
    }
}

/// An event that counts when it is applied and when it is dropped.
struct Event(StdArc<EventCounts>);

struct EventCounts {
    applied: AtomicUsize,
    dropped: AtomicUsize,
}

impl Event {
    fn apply(self, content: &mut Content) {
        content.events += 1;
        self.0.applied.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// A shared instance, and whether its owner was notified.
struct Shared {
    slot: HandoffSlot<Content>,
    queue: HandoffQueue<Event>,
    is_owner_notified: AtomicBool,
    counts: StdArc<EventCounts>,
}

impl Shared {
    fn new(is_parked: bool) -> Arc<Self> {
        let slot = HandoffSlot::default();
        slot.park(Content::new(is_parked));
        let counts =
            StdArc::new(EventCounts { applied: AtomicUsize::new(0), dropped: AtomicUsize::new(0) });
        let queue = HandoffQueue::default();
        Arc::new(Self { slot, queue, is_owner_notified: AtomicBool::new(false), counts })
    }

    fn event(&self) -> Event {
        Event(StdArc::clone(&self.counts))
    }

    /// Applies an event as a session does: `SharedInstance::call`.
    fn call(&self) {
        let event = self.event();
        switch_point();
        match self.slot.try_enter() {
            HandoffEntry::Entered(mut content) if content.is_parked => event.apply(&mut content),
            HandoffEntry::Entered(_) | HandoffEntry::Poisoned => return self.send_to_owner(event),
            HandoffEntry::Busy => match self.queue.try_reserve(CAPACITY) {
                Some(permit) => permit.send(event),
                None => return self.send_to_owner(event),
            },
        }
        self.serve();
    }

    fn serve(&self) {
        let drainer = self.slot.serve(
            &self.queue,
            CAPACITY,
            || (),
            |content| content.is_parked,
            |content, event| event.apply(content),
        );
        if drainer == NextDrainer::Owner {
            self.is_owner_notified.store(true, Ordering::Relaxed);
        }
    }

    /// Queues an event for a session that rests, which does not call the instance itself: `SharedInstance::queue_turn`.
    fn queue_only(&self) {
        switch_point();
        match self.queue.try_reserve(CAPACITY) {
            Some(permit) => permit.send(self.event()),
            None => return,
        }
        let drainer = self.slot.serve(&self.queue, 0, || (), |_| true, |_, _| {});
        if drainer == NextDrainer::Owner {
            self.is_owner_notified.store(true, Ordering::Relaxed);
        }
    }

    /// The owner's own queue, which is not modelled: it applies each event once.
    fn send_to_owner(&self, event: Event) {
        event.0.applied.fetch_add(1, Ordering::Relaxed);
    }

    /// Drains the queue if the owner was notified, as the task of the owner does.
    fn drain_as_owner(&self) {
        if self.is_owner_notified.load(Ordering::Relaxed) {
            while let Some(event) = self.queue.pop() {
                event.apply(&mut Content::default());
            }
        }
    }

    fn applied(&self) -> usize {
        self.counts.applied.load(Ordering::Relaxed)
    }
}

/// Queues or applies an event on each of two threads, and asserts that both are applied.
fn apply_both(one: fn(&Shared), other: fn(&Shared)) {
    loom::model(move || {
        let shared = Shared::new(true);
        let thread = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || other(&shared))
        };
        one(&shared);
        thread.join().unwrap();
        shared.drain_as_owner();
        assert_eq!(shared.applied(), 2, "an event is left in the queue");
    });
}

#[test]
fn each_of_two_concurrent_events_is_applied() {
    apply_both(Shared::call, Shared::call);
}

/// One thread queues an event and leaves the call to others, while a session calls the instance.
#[test]
fn an_event_that_is_only_queued_is_applied() {
    apply_both(Shared::call, Shared::queue_only);
}

/// Two threads queue an event each, so that one may find the other in the slot, which does not drain it.
#[test]
fn two_events_that_are_only_queued_reach_the_owner() {
    apply_both(Shared::queue_only, Shared::queue_only);
}

#[test]
fn each_of_three_concurrent_events_is_applied() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let shared = Shared::new(true);
        let others: Vec<_> = (0..2)
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.call())
            })
            .collect();
        shared.call();
        others.into_iter().for_each(|other| other.join().unwrap());
        shared.drain_as_owner();
        assert_eq!(shared.applied(), 3, "an event is left in the queue");
    });
}

/// The owner reclaims the value for a while and parks it again, as it does for a migration.
#[test]
fn an_event_that_arrives_while_the_owner_has_the_value_is_applied() {
    loom::model(|| {
        let shared = Shared::new(true);
        let session = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.call())
        };
        let content = loop {
            match shared.slot.try_reclaim() {
                Some(reclaimed) => break reclaimed.content,
                None => thread::yield_now(),
            }
        };
        // As the task of the owner: it parks the value, and drains the events that were queued meanwhile.
        shared.slot.park(content);
        while let Some(event) = shared.queue.pop() {
            event.apply(&mut Content::default());
        }
        session.join().unwrap();
        shared.drain_as_owner();
        assert_eq!(shared.applied(), 1, "the event is left in the queue");
    });
}

/// The owner reclaims the value and closes the slot, as it does when the instance has died. The sender of a queued event
/// notices by its drop that it was not applied.
#[test]
fn a_queued_event_is_dropped_when_the_owner_closes_the_slot() {
    loom::model(|| {
        let shared = Shared::new(true);
        let session = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.call())
        };
        let content = loop {
            match shared.slot.try_reclaim() {
                Some(reclaimed) => break reclaimed.content,
                None => thread::yield_now(),
            }
        };
        shared.queue.close();
        drop(content);
        session.join().unwrap();
        assert!(shared.queue.pop().is_none(), "the event is left in the queue");
        assert_eq!(shared.counts.dropped.load(Ordering::Relaxed), 1);
    });
}
