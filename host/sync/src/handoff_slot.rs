//! Where the owner of something leaves it while it has nothing to do with it, so that whoever has an event for it can
//! enter it at once. Whoever finds another in it leaves the event there, and that one takes it up before it goes on.

use std::collections::VecDeque;
use std::sync::{PoisonError, TryLockError};

use crate::primitives::atomic::{AtomicUsize, Ordering, fence};
use crate::primitives::{Mutex, MutexGuard};

/// What was left there, and the events that wait for whoever is in it.
#[derive(Debug)]
pub struct HandoffSlot<T, E> {
    content: Mutex<T>,
    queue: Mutex<EventQueue<E>>,
    /// As many as wait, for those who look often and find none.
    queued_count: AtomicUsize,
}

#[derive(Debug)]
struct EventQueue<E> {
    events: VecDeque<E>,
    /// Nobody comes any more to see to them.
    is_closed: bool,
}

/// What came of an attempt to enter.
#[derive(Debug)]
pub enum HandoffEntry<'a, T> {
    /// Nobody else is in it as long as this lives.
    Entered(MutexGuard<'a, T>),
    /// Somebody is in it, and looks for events before it goes on.
    Busy,
    /// Somebody panicked in it: what is there may be half done. Nobody else sees to what waits but its owner.
    Poisoned,
}

/// What its owner takes back.
#[derive(Debug)]
pub struct ReclaimedContent<T> {
    /// As it was left, by its owner or by whoever was in it last.
    pub content: T,
    /// Somebody panicked in it.
    pub is_poisoned: bool,
}

/// Who sees to what waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextDrainer {
    /// Nothing waits, or somebody is in it who will.
    Nobody,
    /// The owner, which has to be told.
    Owner,
}

/// Room for an event.
#[derive(Debug)]
pub struct EventPermit<'a, E> {
    queue: MutexGuard<'a, EventQueue<E>>,
    queued_count: &'a AtomicUsize,
}

impl<T: Default, E> Default for HandoffSlot<T, E> {
    fn default() -> Self {
        Self {
            content: Mutex::new(T::default()),
            queue: Mutex::new(EventQueue { events: VecDeque::new(), is_closed: false }),
            queued_count: AtomicUsize::new(0),
        }
    }
}

impl<T, E> HandoffSlot<T, E> {
    /// Enters, without waiting. Afterwards [`Slot::serve`] is to follow.
    pub fn try_enter(&self) -> HandoffEntry<'_, T> {
        match self.content.try_lock() {
            Ok(content) => HandoffEntry::Entered(content),
            Err(TryLockError::WouldBlock) => HandoffEntry::Busy,
            Err(TryLockError::Poisoned(_)) => HandoffEntry::Poisoned,
        }
    }

    /// Room for an event, if no more than `most` wait and somebody will see to it. Afterwards [`Slot::serve`] is to
    /// follow, since whoever was in it may have gone meanwhile.
    pub fn try_reserve(&self, most: usize) -> Option<EventPermit<'_, E>> {
        let queue = self.lock_queue();
        let has_room = !queue.is_closed && queue.events.len() < most;
        has_room.then_some(EventPermit { queue, queued_count: &self.queued_count })
    }

    /// Takes up what waits, `most` of it at most. `is_ready` says whether events can be brought to what is here, `run`
    /// brings one, and what `hold` makes lives as long as each lock, and a little longer.
    pub fn serve<H>(
        &self,
        most: usize,
        hold: impl Fn() -> H,
        is_ready: impl Fn(&T) -> bool,
        mut run: impl FnMut(&mut T, E),
    ) -> NextDrainer {
        // Either this sees what another has put there, or that one sees that nobody is in it.
        fence(Ordering::SeqCst);
        let mut taken = 0;
        while self.queued_count.load(Ordering::Relaxed) > 0 {
            let _held = hold();
            let mut content = match self.try_enter() {
                HandoffEntry::Entered(content) => content,
                HandoffEntry::Busy => return NextDrainer::Nobody,
                HandoffEntry::Poisoned => return NextDrainer::Owner,
            };
            while taken < most && is_ready(&content) {
                let Some(event) = self.pop_event() else { break };
                taken += 1;
                run(&mut content, event);
            }
            if taken == most || !is_ready(&content) {
                return NextDrainer::Owner;
            }
            drop(content);
            fence(Ordering::SeqCst);
        }
        NextDrainer::Nobody
    }

    /// The event that has waited for longest.
    pub fn pop_event(&self) -> Option<E> {
        if self.queued_count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut queue = self.lock_queue();
        let event = queue.events.pop_front();
        self.queued_count.store(queue.events.len(), Ordering::Relaxed);
        event
    }

    /// Its owner leaves it here. [`Slot::next`] is to follow, for what came while it was not here.
    pub fn park(&self, content: T) {
        *self.content.lock().unwrap_or_else(PoisonError::into_inner) = content;
        fence(Ordering::SeqCst);
    }

    /// Nobody comes any more: the events that wait are dropped, and no further ones are taken.
    pub fn close(&self) {
        let mut queue = self.lock_queue();
        queue.is_closed = true;
        let events = std::mem::take(&mut queue.events);
        self.queued_count.store(0, Ordering::Relaxed);
        drop(queue);
        drop(events);
    }

    fn lock_queue(&self) -> MutexGuard<'_, EventQueue<E>> {
        // Nothing in here panics between two writes, so a poisoned queue is still whole.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Default, E> HandoffSlot<T, E> {
    /// What was left, if nobody is in it.
    pub fn try_reclaim(&self) -> Option<ReclaimedContent<T>> {
        let (mut content, broken) = match self.content.try_lock() {
            Ok(content) => (content, false),
            Err(TryLockError::Poisoned(content)) => (content.into_inner(), true),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(ReclaimedContent { content: std::mem::take(&mut content), is_poisoned: broken })
    }
}

impl<E> EventPermit<'_, E> {
    /// Has an event wait.
    pub fn send(mut self, event: E) {
        self.queue.events.push_back(event);
        self.queued_count.store(self.queue.events.len(), Ordering::Relaxed);
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    /// A slot in which somebody has panicked.
    fn broken() -> HandoffSlot<u8, u8> {
        let slot = HandoffSlot::<u8, u8>::default();
        slot.park(7);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let HandoffEntry::Entered(_content) = slot.try_enter() else { return };
            panic!("as the test wants it");
        }));
        assert!(panicked.is_err());
        slot
    }

    #[test]
    fn what_somebody_panicked_in_is_broken_and_not_busy() {
        let slot = broken();
        assert!(matches!(slot.try_enter(), HandoffEntry::Poisoned));
    }

    #[test]
    fn what_waits_for_what_is_broken_is_its_owners() {
        let slot = broken();
        slot.try_reserve(1).unwrap().send(1);
        let served = slot.serve(64, || (), |_| true, |_, _| unreachable!("nobody enters it"));
        assert_eq!(served, NextDrainer::Owner);
        assert_eq!(slot.pop_event(), Some(1));
    }

    #[test]
    fn its_owner_takes_back_what_is_broken_and_learns_that_it_is() {
        let taken = broken().try_reclaim().unwrap();
        assert_eq!((taken.content, taken.is_poisoned), (7, true));
    }

    #[test]
    fn a_closed_slot_takes_no_event_and_drops_those_that_wait() {
        let slot = HandoffSlot::<u8, u8>::default();
        slot.try_reserve(1).unwrap().send(1);
        assert!(slot.try_reserve(1).is_none(), "it is full");
        slot.close();
        assert_eq!(slot.pop_event(), None);
        assert!(slot.try_reserve(1).is_none());
    }
}
