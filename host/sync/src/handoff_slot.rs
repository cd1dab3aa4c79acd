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

use std::sync::{PoisonError, TryLockError};

use crate::handoff_queue::HandoffQueue;
use crate::primitives::atomic::{Ordering, fence};
use crate::primitives::{Mutex, MutexGuard};

/// A parked value. The events that wait for it are in a [`HandoffQueue`].
#[derive(Debug, Default)]
pub struct HandoffSlot<T> {
    content: Mutex<T>,
}

/// The result of [`HandoffSlot::try_enter`].
#[derive(Debug)]
pub enum HandoffEntry<'a, T> {
    /// The slot is locked until the guard is dropped.
    Entered(MutexGuard<'a, T>),
    /// Another task has entered the slot. It drains the queues before it goes on.
    Busy,
    /// A task panicked in the slot, so the value may be inconsistent. Only the owner drains the queues now.
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
    /// The queue is empty.
    Nobody,
    /// The task in the slot. It looks at all queues after it has left the slot.
    Holder,
    /// The owner. The caller has to notify it.
    Owner,
}

impl<T> HandoffSlot<T> {
    /// Locks the slot without waiting. The caller must call [`HandoffSlot::serve`] after it dropped the guard.
    pub fn try_enter(&self) -> HandoffEntry<'_, T> {
        match self.content.try_lock() {
            Ok(content) => HandoffEntry::Entered(content),
            Err(TryLockError::WouldBlock) => HandoffEntry::Busy,
            Err(TryLockError::Poisoned(_)) => HandoffEntry::Poisoned,
        }
    }

    /// Whether events wait in a queue, for a caller that has left the slot and would have to drain the queue.
    pub fn has_waiting<E>(&self, queue: &HandoffQueue<E>) -> bool {
        // As in `serve`.
        fence(Ordering::SeqCst);
        !queue.is_empty()
    }

    /// Drains a queue: applies at most `limit` events to the value with `run`, while `is_ready` holds for the value. A caller
    /// that has been in the slot, also with a limit of 0, has to look at the other queues of the slot afterwards: their
    /// senders rely on it.
    /// `hold` makes a guard that is dropped after each lock of the slot, such as one that defers wake-ups.
    pub fn serve<E, H>(
        &self,
        queue: &HandoffQueue<E>,
        limit: usize,
        hold: impl Fn() -> H,
        is_ready: impl Fn(&T) -> bool,
        mut run: impl FnMut(&mut T, E),
    ) -> NextDrainer {
        // Pairs with the fence of other callers: either this call sees their event, or they find the slot unlocked.
        fence(Ordering::SeqCst);
        let mut applied = 0;
        while !queue.is_empty() {
            let _guard = hold();
            let mut content = match self.try_enter() {
                HandoffEntry::Entered(content) => content,
                HandoffEntry::Busy => return NextDrainer::Holder,
                HandoffEntry::Poisoned => return NextDrainer::Owner,
            };
            while applied < limit && is_ready(&content) {
                let Some(event) = queue.pop() else { break };
                applied += 1;
                run(&mut content, event);
            }
            if (applied == limit && !queue.is_empty()) || !is_ready(&content) {
                return NextDrainer::Owner;
            }
            drop(content);
            fence(Ordering::SeqCst);
        }
        NextDrainer::Nobody
    }

    /// Parks the value. The owner must call [`HandoffQueue::pop`] afterwards, for events that were queued meanwhile.
    pub fn park(&self, content: T) {
        *self.content.lock().unwrap_or_else(PoisonError::into_inner) = content;
        fence(Ordering::SeqCst);
    }
}

impl<T: Default> HandoffSlot<T> {
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

#[cfg(all(test, not(feature = "loom")))]
mod tests;
