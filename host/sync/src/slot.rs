//! Where the owner of something leaves it while it has nothing to do with it, so that whoever has an event for it can
//! enter it at once. Whoever finds another in it leaves the event there, and that one takes it up before it goes on.

use std::collections::VecDeque;
use std::sync::{PoisonError, TryLockError};

use crate::primitives::atomic::{AtomicUsize, Ordering, fence};
use crate::primitives::{Mutex, MutexGuard};

/// What was left there, and the events that wait for whoever is in it.
#[derive(Debug)]
pub struct Slot<T, E> {
    content: Mutex<T>,
    queue: Mutex<Queue<E>>,
    /// As many as wait, for those who look often and find none.
    count: AtomicUsize,
}

#[derive(Debug)]
struct Queue<E> {
    events: VecDeque<E>,
    /// Nobody comes any more to see to them.
    closed: bool,
}

/// What came of an attempt to enter.
#[derive(Debug)]
pub enum Entry<'a, T> {
    /// Nobody else is in it as long as this lives.
    In(MutexGuard<'a, T>),
    /// Somebody is in it, and looks for events before it goes on.
    Busy,
    /// Somebody panicked in it: what is there may be half done. Nobody else sees to what waits but its owner.
    Broken,
}

/// What its owner takes back.
#[derive(Debug)]
pub struct Taken<T> {
    /// As it was left, by its owner or by whoever was in it last.
    pub content: T,
    /// Somebody panicked in it.
    pub broken: bool,
}

/// Who sees to what waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing waits, or somebody is in it who will.
    Nobody,
    /// The owner, which has to be told.
    Owner,
}

/// Room for an event.
#[derive(Debug)]
pub struct Vacancy<'a, E> {
    queue: MutexGuard<'a, Queue<E>>,
    count: &'a AtomicUsize,
}

impl<T: Default, E> Default for Slot<T, E> {
    fn default() -> Self {
        Self {
            content: Mutex::new(T::default()),
            queue: Mutex::new(Queue { events: VecDeque::new(), closed: false }),
            count: AtomicUsize::new(0),
        }
    }
}

impl<T, E> Slot<T, E> {
    /// Enters, without waiting. Afterwards [`Slot::serve`] is to follow.
    pub fn enter(&self) -> Entry<'_, T> {
        match self.content.try_lock() {
            Ok(content) => Entry::In(content),
            Err(TryLockError::WouldBlock) => Entry::Busy,
            Err(TryLockError::Poisoned(_)) => Entry::Broken,
        }
    }

    /// Room for an event, if no more than `most` wait and somebody will see to it. Afterwards [`Slot::serve`] is to
    /// follow, since whoever was in it may have gone meanwhile.
    pub fn vacancy(&self, most: usize) -> Option<Vacancy<'_, E>> {
        let queue = self.queue();
        let has_room = !queue.closed && queue.events.len() < most;
        has_room.then_some(Vacancy { queue, count: &self.count })
    }

    /// Takes up what waits, `most` of it at most. `is_ready` says whether events can be brought to what is here, `run`
    /// brings one, and what `hold` makes lives as long as each lock, and a little longer.
    pub fn serve<H>(
        &self,
        most: usize,
        hold: impl Fn() -> H,
        is_ready: impl Fn(&T) -> bool,
        mut run: impl FnMut(&mut T, E),
    ) -> Next {
        // Either this sees what another has put there, or that one sees that nobody is in it.
        fence(Ordering::SeqCst);
        let mut taken = 0;
        while self.count.load(Ordering::Relaxed) > 0 {
            let _held = hold();
            let mut content = match self.enter() {
                Entry::In(content) => content,
                Entry::Busy => return Next::Nobody,
                Entry::Broken => return Next::Owner,
            };
            while taken < most && is_ready(&content) {
                let Some(event) = self.next() else { break };
                taken += 1;
                run(&mut content, event);
            }
            if taken == most || !is_ready(&content) {
                return Next::Owner;
            }
            drop(content);
            fence(Ordering::SeqCst);
        }
        Next::Nobody
    }

    /// The event that has waited for longest.
    pub fn next(&self) -> Option<E> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut queue = self.queue();
        let event = queue.events.pop_front();
        self.count.store(queue.events.len(), Ordering::Relaxed);
        event
    }

    /// Its owner leaves it here. [`Slot::next`] is to follow, for what came while it was not here.
    pub fn leave(&self, content: T) {
        *self.content.lock().unwrap_or_else(PoisonError::into_inner) = content;
        fence(Ordering::SeqCst);
    }

    /// Nobody comes any more: the events that wait are dropped, and no further ones are taken.
    pub fn close(&self) {
        let mut queue = self.queue();
        queue.closed = true;
        let events = std::mem::take(&mut queue.events);
        self.count.store(0, Ordering::Relaxed);
        drop(queue);
        drop(events);
    }

    fn queue(&self) -> MutexGuard<'_, Queue<E>> {
        // Nothing in here panics between two writes, so a poisoned queue is still whole.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Default, E> Slot<T, E> {
    /// What was left, if nobody is in it.
    pub fn take(&self) -> Option<Taken<T>> {
        let (mut content, broken) = match self.content.try_lock() {
            Ok(content) => (content, false),
            Err(TryLockError::Poisoned(content)) => (content.into_inner(), true),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(Taken { content: std::mem::take(&mut content), broken })
    }
}

impl<E> Vacancy<'_, E> {
    /// Has an event wait.
    pub fn fill(mut self, event: E) {
        self.queue.events.push_back(event);
        self.count.store(self.queue.events.len(), Ordering::Relaxed);
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    /// A slot in which somebody has panicked.
    fn broken() -> Slot<u8, u8> {
        let slot = Slot::<u8, u8>::default();
        slot.leave(7);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let Entry::In(_content) = slot.enter() else { return };
            panic!("as the test wants it");
        }));
        assert!(panicked.is_err());
        slot
    }

    #[test]
    fn what_somebody_panicked_in_is_broken_and_not_busy() {
        let slot = broken();
        assert!(matches!(slot.enter(), Entry::Broken));
    }

    #[test]
    fn what_waits_for_what_is_broken_is_its_owners() {
        let slot = broken();
        slot.vacancy(1).unwrap().fill(1);
        let served = slot.serve(64, || (), |_| true, |_, _| unreachable!("nobody enters it"));
        assert_eq!(served, Next::Owner);
        assert_eq!(slot.next(), Some(1));
    }

    #[test]
    fn its_owner_takes_back_what_is_broken_and_learns_that_it_is() {
        let taken = broken().take().unwrap();
        assert_eq!((taken.content, taken.broken), (7, true));
    }

    #[test]
    fn a_closed_slot_takes_no_event_and_drops_those_that_wait() {
        let slot = Slot::<u8, u8>::default();
        slot.vacancy(1).unwrap().fill(1);
        assert!(slot.vacancy(1).is_none(), "it is full");
        slot.close();
        assert_eq!(slot.next(), None);
        assert!(slot.vacancy(1).is_none());
    }
}
