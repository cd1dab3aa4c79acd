//! Counters with a bound, several of which may stand within each other.

use std::sync::PoisonError;

use crate::primitives::{Mutex, MutexGuard};

/// No bound.
pub const UNBOUNDED: usize = usize::MAX;

/// How much of something is taken, and how much of it may be.
///
/// What is refused is never counted, not even for a moment: otherwise whoever comes meanwhile with something that fits
/// would be refused as well. So levels that stand within each other are locked together, looked at, and only then
/// counted in. Whoever locks several names them in one order, from the narrowest.
#[derive(Debug)]
pub struct GaugeLimit {
    state: Mutex<GaugeState>,
}

#[derive(Debug)]
struct GaugeState {
    used: usize,
    limit: usize,
}

impl Default for GaugeLimit {
    fn default() -> Self {
        Self::new(UNBOUNDED)
    }
}

impl GaugeLimit {
    /// Nothing is taken of so much.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { state: Mutex::new(GaugeState { used: 0, limit: most }) }
    }

    /// Has another bound from now on. What is above it stays, and nothing more is taken.
    pub fn set_limit(&self, most: usize) {
        self.lock().limit = most;
    }

    /// Counts so much, whether or not there is room for it.
    pub fn add_unchecked(&self, count: usize) {
        let mut amount = self.lock();
        amount.used = amount.used.saturating_add(count);
    }

    /// Gives so much back.
    pub fn release(&self, count: usize) {
        let mut amount = self.lock();
        amount.used = amount.used.saturating_sub(count);
    }

    /// Whether there is room for so much.
    #[must_use]
    pub fn has_room(&self, count: usize) -> bool {
        self.lock().has_room(count)
    }

    /// How much may be taken; [`UNBOUNDED`] is no bound.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.lock().limit
    }

    /// How much is taken.
    #[must_use]
    pub fn used(&self) -> usize {
        self.lock().used
    }

    /// Takes so much of each, if all have room for it; of none otherwise.
    ///
    /// # Errors
    /// The index of the first that has no room.
    pub fn try_acquire_all<const N: usize>(levels: [&Self; N], count: usize) -> Result<(), usize> {
        let mut held = Self::lock_all(levels);
        match (0..N).find(|index| !held.has_room(*index, count)) {
            Some(index) => Err(index),
            None => {
                held.acquire(count);
                Ok(())
            }
        }
    }

    /// Keeps all of these levels from everybody else, to be taken of together.
    pub fn lock_all<const N: usize>(levels: [&Self; N]) -> GaugeLimitGuards<'_, N> {
        GaugeLimitGuards(levels.map(Self::lock))
    }

    fn lock(&self) -> MutexGuard<'_, GaugeState> {
        // Nothing in here panics between two writes, so a poisoned amount is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GaugeState {
    fn has_room(&self, count: usize) -> bool {
        self.used.saturating_add(count) <= self.limit
    }
}

/// Levels that nobody else takes of meanwhile.
#[derive(Debug)]
pub struct GaugeLimitGuards<'a, const N: usize>([MutexGuard<'a, GaugeState>; N]);

impl<const N: usize> GaugeLimitGuards<'_, N> {
    /// Whether the level of this index has room for so much.
    #[must_use]
    pub fn has_room(&self, index: usize, count: usize) -> bool {
        self.0.get(index).is_some_and(|amount| amount.has_room(count))
    }

    /// Takes so much of each.
    pub fn acquire(&mut self, count: usize) {
        for amount in &mut self.0 {
            amount.used = amount.used.saturating_add(count);
        }
    }
}
