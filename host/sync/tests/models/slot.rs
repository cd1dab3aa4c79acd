//! The slot of a shared instance: sessions that enter it, and its owner. Each event must be brought to it, once, whoever
//! does that, unless the slot is closed: then whoever left the event must learn that it was dropped.

use std::sync::Arc as StdArc;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;
use narrowboat_sync::{Entry, Next, Slot};

const MOST: usize = 8;

loom::lazy_static! {
    static ref TOUCHED: AtomicUsize = AtomicUsize::new(0);
}

/// Loom has another thread run only where both use something of its own. So that a session comes to the slot while its
/// owner has it locked, too, both use this: the owner under the lock, a session before it tries the lock.
fn touch() {
    TOUCHED.fetch_add(1, Ordering::Relaxed);
}

/// What is left there: there or with its owner, and how many events it has had.
struct Content {
    here: bool,
    events: usize,
}

impl Content {
    fn new(here: bool) -> Self {
        touch();
        Self { here, events: 0 }
    }
}

impl Default for Content {
    fn default() -> Self {
        Self::new(false)
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        touch();
    }
}

/// An event that notes when it is dropped without having been brought to anything.
struct Event(StdArc<Count>);

struct Count {
    brought: AtomicUsize,
    dropped: AtomicUsize,
}

impl Event {
    fn bring(self, content: &mut Content) {
        content.events += 1;
        self.0.brought.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// A shared instance, and whether its owner has been told to look.
struct Shared {
    slot: Slot<Content, Event>,
    told: AtomicBool,
    count: StdArc<Count>,
}

impl Shared {
    fn new(here: bool) -> Arc<Self> {
        let slot = Slot::default();
        slot.leave(Content::new(here));
        let count = Count { brought: AtomicUsize::new(0), dropped: AtomicUsize::new(0) };
        Arc::new(Self { slot, told: AtomicBool::new(false), count: StdArc::new(count) })
    }

    fn event(&self) -> Event {
        Event(StdArc::clone(&self.count))
    }

    /// As a session brings an event: `SharedInstance::call`.
    fn call(&self) {
        let event = self.event();
        touch();
        match self.slot.enter() {
            Entry::In(mut content) if content.here => event.bring(&mut content),
            Entry::In(_) | Entry::Broken => return self.ask(event),
            Entry::Busy => match self.slot.vacancy(MOST) {
                Some(vacancy) => vacancy.fill(event),
                None => return self.ask(event),
            },
        }
        self.serve();
    }

    fn serve(&self) {
        let next = self.slot.serve(
            MOST,
            || (),
            |content| content.here,
            |content, event| event.bring(content),
        );
        if next == Next::Owner {
            self.told.store(true, Ordering::Relaxed);
        }
    }

    /// The owner's own queue, which is not modelled: it takes each job once.
    fn ask(&self, event: Event) {
        event.0.brought.fetch_add(1, Ordering::Relaxed);
    }

    /// The owner at the end of all: it takes up what waits if it was told to, as `Owner::work` does.
    fn settle(&self) {
        if self.told.load(Ordering::Relaxed) {
            while let Some(event) = self.slot.next() {
                event.bring(&mut Content::default());
            }
        }
    }

    fn brought(&self) -> usize {
        self.count.brought.load(Ordering::Relaxed)
    }
}

#[test]
fn each_of_two_events_is_brought_to_it_whoever_finds_the_other_in_it() {
    loom::model(|| {
        let shared = Shared::new(true);
        let other = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.call())
        };
        shared.call();
        other.join().unwrap();
        shared.settle();
        assert_eq!(shared.brought(), 2, "an event waits, and nobody will see to it");
    });
}

#[test]
fn each_of_three_events_is_brought_to_it() {
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
        shared.settle();
        assert_eq!(shared.brought(), 3, "an event waits, and nobody will see to it");
    });
}

/// The owner takes it away for a while and leaves it again, as it does for a move.
#[test]
fn an_event_that_comes_while_its_owner_has_it_is_seen_to() {
    loom::model(|| {
        let shared = Shared::new(true);
        let session = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.call())
        };
        let taken = loop {
            match shared.slot.take() {
                Some(taken) => break taken.content,
                None => thread::yield_now(),
            }
        };
        // As `Owner::work`: it leaves it, and looks for what came meanwhile.
        shared.slot.leave(taken);
        while let Some(event) = shared.slot.next() {
            event.bring(&mut Content::default());
        }
        session.join().unwrap();
        shared.settle();
        assert_eq!(shared.brought(), 1, "the event waits, and nobody will see to it");
    });
}

/// The owner takes it away and goes, as it does when the instance has died. Whoever waits for an event that it left learns
/// by its drop that it was not brought.
#[test]
fn an_event_is_dropped_when_its_owner_goes() {
    loom::model(|| {
        let shared = Shared::new(true);
        let session = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.call())
        };
        let taken = loop {
            match shared.slot.take() {
                Some(taken) => break taken.content,
                None => thread::yield_now(),
            }
        };
        shared.slot.close();
        drop(taken);
        session.join().unwrap();
        assert!(shared.slot.next().is_none(), "the event waits, and nobody will see to it");
        assert_eq!(shared.count.dropped.load(Ordering::Relaxed), 1);
    });
}
