//! The timers of a connection's consumer.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use narrowboat_config::MAX_TIMERS;

/// The identifier of a timer within its connection.
pub type TimerId = u32;

/// The timers of a connection's consumer. Any task may set and clear them; only the session waits for them. A timer
/// outlives the guest call that set it.
#[derive(Debug, Default)]
pub struct Timers {
    state: Mutex<Inner>,
    /// The number of pending timers. With 0 the session need not lock `state`.
    pending_count: AtomicUsize,
}

#[derive(Debug, Default)]
struct Inner {
    last_id: TimerId,
    /// At most [`MAX_TIMERS`], so a linear search is faster than an ordered structure.
    pending: Vec<(Instant, TimerId)>,
}

/// The session's wait for the earliest timer. A connection without timers has none.
pub type NextTimer = Option<Pin<Box<Sleep>>>;

impl Timers {
    /// Returns an identifier that no other timer of this connection has.
    pub fn reserve_id(&self) -> TimerId {
        let mut state = self.lock();
        state.last_id = state.last_id.wrapping_add(1);
        state.last_id
    }

    /// Returns the number of pending timers.
    pub fn len(&self) -> usize {
        self.pending_count.load(Ordering::Relaxed)
    }

    /// Returns whether no timer is pending.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Starts a timer with a reserved identifier, without waking the session as
    /// [`ConnectionHandle::set_timer`](super::ConnectionHandle::set_timer) does. Timers beyond [`MAX_TIMERS`] are
    /// ignored.
    pub(super) fn set(&self, id: TimerId, delay: Duration) {
        let mut state = self.lock();
        if state.pending.len() < MAX_TIMERS {
            state.pending.push((Instant::now() + delay, id));
        }
        self.update_pending_count(&state);
    }

    /// Cancels a timer if it is pending.
    pub fn clear(&self, id: TimerId) {
        let mut state = self.lock();
        state.pending.retain(|(_, pending)| *pending != id);
        self.update_pending_count(&state);
    }

    /// Returns the next expired timer. Otherwise the task is woken when the earliest timer expires.
    pub fn poll_expired(&self, cx: &mut Context<'_>, next_timer: &mut NextTimer) -> Poll<TimerId> {
        if self.is_empty() {
            *next_timer = None;
            return Poll::Pending;
        }
        let mut state = self.lock();
        let earliest =
            state.pending.iter().enumerate().min_by_key(|(_, (at, _))| *at).map(|(i, _)| i);
        let Some(index) = earliest else {
            *next_timer = None;
            return Poll::Pending;
        };
        let (at, id) = state.pending[index];
        let sleep = next_timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
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
        // No method panics between two changes of the state, so a poisoned state is still consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn timers_expire_in_the_order_of_their_deadlines() {
        let timers = Timers::default();
        let (late, soon, never) = (timers.reserve_id(), timers.reserve_id(), timers.reserve_id());
        timers.set(late, Duration::from_millis(20));
        timers.set(soon, Duration::from_millis(10));
        timers.set(never, Duration::from_millis(5));
        timers.clear(never);
        let mut next_timer = None;
        for expected in [soon, late] {
            let expired = std::future::poll_fn(|cx| timers.poll_expired(cx, &mut next_timer)).await;
            assert_eq!(expired, expected);
        }
        assert!(timers.is_empty());
    }
}
