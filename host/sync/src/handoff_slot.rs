//! A slot in which an owner parks a value while it does not need it, so that other tasks can apply events to the value
//! at once.
//!
//! A task that finds the slot locked queues its event instead. The task that holds the lock drains the queue before it
//! goes on. The owner drains the queue only after it had the value, or if it is notified ([`NextDrainer::Owner`]).
//!
//! ```text
//!              park                try_enter
//!   owner's ────────▶ parked, idle ─────────▶ entered by a task
//!    value  ◀────────              ◀─────────        │ serve: applies queued events
//!           try_reclaim               unlock         │ panic
//!                                                    ▼
//!                                                poisoned ── try_reclaim ──▶ owner's value
//! ```

use std::collections::VecDeque;
use std::sync::{PoisonError, TryLockError};

use crate::primitives::atomic::{AtomicUsize, Ordering, fence};
use crate::primitives::{Mutex, MutexGuard};

/// A parked value, and the events that wait for it.
#[derive(Debug)]
pub struct HandoffSlot<T, E> {
    content: Mutex<T>,
    queue: Mutex<EventQueue<E>>,
    /// The length of the queue. Callers that usually find it empty read this without the lock.
    queued_count: AtomicUsize,
}

#[derive(Debug)]
struct EventQueue<E> {
    events: VecDeque<E>,
    /// The owner has stopped; new events are refused.
    is_closed: bool,
}

/// The result of [`HandoffSlot::try_enter`].
#[derive(Debug)]
pub enum HandoffEntry<'a, T> {
    /// The slot is locked until the guard is dropped.
    Entered(MutexGuard<'a, T>),
    /// Another task has entered the slot. It drains the queue before it goes on.
    Busy,
    /// A task panicked in the slot, so the value may be inconsistent. Only the owner drains the queue now.
    Poisoned,
}

/// The value that the owner takes back.
#[derive(Debug)]
pub struct ReclaimedContent<T> {
    /// The value, as the owner or the last task left it.
    pub content: T,
    /// Whether a task panicked in the slot.
    pub is_poisoned: bool,
}

/// The party that has to drain the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextDrainer {
    /// The queue is empty, or the task in the slot drains it.
    Nobody,
    /// The owner. The caller has to notify it.
    Owner,
}

/// Permission to queue one event.
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
    /// Locks the slot without waiting. The caller must call [`HandoffSlot::serve`] after it dropped the guard.
    pub fn try_enter(&self) -> HandoffEntry<'_, T> {
        match self.content.try_lock() {
            Ok(content) => HandoffEntry::Entered(content),
            Err(TryLockError::WouldBlock) => HandoffEntry::Busy,
            Err(TryLockError::Poisoned(_)) => HandoffEntry::Poisoned,
        }
    }

    /// Returns permission to queue an event if fewer than `capacity` wait and the slot is not closed. The caller must
    /// call [`HandoffSlot::serve`] after it sent the event, since the task in the slot may have left meanwhile.
    pub fn try_reserve(&self, capacity: usize) -> Option<EventPermit<'_, E>> {
        let queue = self.lock_queue();
        let has_room = !queue.is_closed && queue.events.len() < capacity;
        has_room.then_some(EventPermit { queue, queued_count: &self.queued_count })
    }

    /// Drains the queue: applies at most `limit` events to the value with `run`, while `is_ready` holds for the value.
    /// `hold` makes a guard that is dropped after each lock of the slot, such as one that defers wake-ups.
    pub fn serve<H>(
        &self,
        limit: usize,
        hold: impl Fn() -> H,
        is_ready: impl Fn(&T) -> bool,
        mut run: impl FnMut(&mut T, E),
    ) -> NextDrainer {
        // Pairs with the fence of other callers: either this call sees their event, or they find the slot unlocked.
        fence(Ordering::SeqCst);
        let mut applied = 0;
        while self.queued_count.load(Ordering::Relaxed) > 0 {
            let _guard = hold();
            let mut content = match self.try_enter() {
                HandoffEntry::Entered(content) => content,
                HandoffEntry::Busy => return NextDrainer::Nobody,
                HandoffEntry::Poisoned => return NextDrainer::Owner,
            };
            while applied < limit && is_ready(&content) {
                let Some(event) = self.pop_event() else { break };
                applied += 1;
                run(&mut content, event);
            }
            if applied == limit || !is_ready(&content) {
                return NextDrainer::Owner;
            }
            drop(content);
            fence(Ordering::SeqCst);
        }
        NextDrainer::Nobody
    }

    /// Removes the oldest event from the queue.
    pub fn pop_event(&self) -> Option<E> {
        if self.queued_count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut queue = self.lock_queue();
        let event = queue.events.pop_front();
        self.queued_count.store(queue.events.len(), Ordering::Relaxed);
        event
    }

    /// Parks the value. The owner must call [`HandoffSlot::pop_event`] afterwards, for events that were queued meanwhile.
    pub fn park(&self, content: T) {
        *self.content.lock().unwrap_or_else(PoisonError::into_inner) = content;
        fence(Ordering::SeqCst);
    }

    /// Closes the slot: drops the queued events and refuses new ones.
    pub fn close(&self) {
        let mut queue = self.lock_queue();
        queue.is_closed = true;
        let events = std::mem::take(&mut queue.events);
        self.queued_count.store(0, Ordering::Relaxed);
        drop(queue);
        drop(events);
    }

    fn lock_queue(&self) -> MutexGuard<'_, EventQueue<E>> {
        // No code panics between two writes, so a poisoned queue is still consistent.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Default, E> HandoffSlot<T, E> {
    /// Takes the value back, unless a task has entered the slot.
    pub fn try_reclaim(&self) -> Option<ReclaimedContent<T>> {
        let (mut content, is_poisoned) = match self.content.try_lock() {
            Ok(content) => (content, false),
            Err(TryLockError::Poisoned(content)) => (content.into_inner(), true),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(ReclaimedContent { content: std::mem::take(&mut content), is_poisoned })
    }
}

impl<E> EventPermit<'_, E> {
    /// Queues an event.
    pub fn send(mut self, event: E) {
        self.queue.events.push_back(event);
        self.queued_count.store(self.queue.events.len(), Ordering::Relaxed);
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests;
