//! The timers of one connection, which outlive the guest call that set them.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use narrowboat_config::MAX_TIMERS;

/// Names one timer of a connection.
pub type TimerId = u32;

/// Set and cleared by any task, awaited by the connection's session alone.
#[derive(Debug, Default)]
pub struct Timers {
    state: Mutex<Inner>,
    /// As many as are pending, for those who look often and find none.
    pending_count: AtomicUsize,
}

#[derive(Debug, Default)]
struct Inner {
    last_id: TimerId,
    /// At most [`MAX_TIMERS`], so a search costs less than an ordered structure would.
    pending: Vec<(Instant, TimerId)>,
}

/// The session's side: the sleep until the earliest timer, made when there is one.
pub type NextTimer = Option<Pin<Box<Sleep>>>;

impl Timers {
    /// An identifier no other timer of this connection has.
    pub fn reserve_id(&self) -> TimerId {
        let mut state = self.lock();
        state.last_id = state.last_id.wrapping_add(1);
        state.last_id
    }

    /// How many are pending.
    pub fn len(&self) -> usize {
        self.pending_count.load(Ordering::Relaxed)
    }

    /// Whether none is pending.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Starts a timer under a reserved identifier. The session has to be told: see [`Link::set_timer`].
    ///
    /// [`Link::set_timer`]: super::Link::set_timer
    pub(super) fn set(&self, id: TimerId, delay: Duration) {
        let mut state = self.lock();
        if state.pending.len() < MAX_TIMERS {
            state.pending.push((Instant::now() + delay, id));
        }
        self.update_pending_count(&state);
    }

    /// Forgets a timer, if it is still pending.
    pub fn clear(&self, id: TimerId) {
        let mut state = self.lock();
        state.pending.retain(|(_, pending)| *pending != id);
        self.update_pending_count(&state);
    }

    /// The next timer that is due; the task is woken when the earliest is.
    pub fn poll_expired(&self, cx: &mut Context<'_>, alarm: &mut NextTimer) -> Poll<TimerId> {
        if self.is_empty() {
            *alarm = None;
            return Poll::Pending;
        }
        let mut state = self.lock();
        let earliest =
            state.pending.iter().enumerate().min_by_key(|(_, (at, _))| *at).map(|(i, _)| i);
        let Some(index) = earliest else {
            *alarm = None;
            return Poll::Pending;
        };
        let (at, id) = state.pending[index];
        let sleep = alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if sleep.deadline() != at {
            sleep.as_mut().reset(at);
        }
        if sleep.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        state.pending.swap_remove(index);
        self.update_pending_count(&state);
        Poll::Ready(id)
    }

    fn update_pending_count(&self, state: &Inner) {
        self.pending_count.store(state.pending.len(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics between two writes, so a poisoned state is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn timers_come_in_the_order_they_are_due() {
        let timers = Timers::default();
        let (late, soon, never) = (timers.reserve_id(), timers.reserve_id(), timers.reserve_id());
        timers.set(late, Duration::from_millis(20));
        timers.set(soon, Duration::from_millis(10));
        timers.set(never, Duration::from_millis(5));
        timers.clear(never);
        let mut alarm = None;
        for expected in [soon, late] {
            let due = std::future::poll_fn(|cx| timers.poll_expired(cx, &mut alarm)).await;
            assert_eq!(due, expected);
        }
        assert!(timers.is_empty());
    }
}
