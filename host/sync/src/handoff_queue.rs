//! Events that wait for the value in a slot.

use std::collections::VecDeque;
use std::sync::PoisonError;

use crate::primitives::atomic::{AtomicUsize, Ordering};
use crate::primitives::{Mutex, MutexGuard};

/// Events that wait for the value in a slot, in order. One slot may have several queues.
#[derive(Debug)]
pub struct HandoffQueue<E> {
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

/// Permission to queue one event.
#[derive(Debug)]
pub struct EventPermit<'a, E> {
    queue: MutexGuard<'a, EventQueue<E>>,
    queued_count: &'a AtomicUsize,
}

impl<E> Default for HandoffQueue<E> {
    fn default() -> Self {
        Self {
            queue: Mutex::new(EventQueue { events: VecDeque::new(), is_closed: false }),
            queued_count: AtomicUsize::new(0),
        }
    }
}

impl<E> HandoffQueue<E> {
    /// Returns permission to queue an event if fewer than `capacity` wait and the queue is not closed. The caller must
    /// call `HandoffSlot::serve` after it sent the event, since the task in the slot may have left meanwhile.
    pub fn try_reserve(&self, capacity: usize) -> Option<EventPermit<'_, E>> {
        let queue = self.lock();
        let has_room = !queue.is_closed && queue.events.len() < capacity;
        has_room.then_some(EventPermit { queue, queued_count: &self.queued_count })
    }

    /// Whether no event waits. An event of another thread is seen for certain only after a fence of both threads, as in
    /// `HandoffSlot::serve`.
    pub fn is_empty(&self) -> bool {
        self.queued_count.load(Ordering::Relaxed) == 0
    }

    /// Removes the oldest event.
    pub fn pop(&self) -> Option<E> {
        if self.is_empty() {
            return None;
        }
        let mut queue = self.lock();
        let event = queue.events.pop_front();
        self.queued_count.store(queue.events.len(), Ordering::Relaxed);
        event
    }

    /// Drops the queued events, and refuses new ones.
    pub fn close(&self) {
        let mut queue = self.lock();
        queue.is_closed = true;
        let events = std::mem::take(&mut queue.events);
        self.queued_count.store(0, Ordering::Relaxed);
        drop(queue);
        drop(events);
    }

    fn lock(&self) -> MutexGuard<'_, EventQueue<E>> {
        // No code panics between two writes, so a poisoned queue is still consistent.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E> EventPermit<'_, E> {
    /// Queues an event.
    pub fn send(mut self, event: E) {
        self.queue.events.push_back(event);
        self.queued_count.store(self.queue.events.len(), Ordering::Relaxed);
    }
}
