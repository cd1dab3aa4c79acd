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
pub struct Level {
    amount: Mutex<Amount>,
}

#[derive(Debug)]
struct Amount {
    now: usize,
    most: usize,
}

impl Default for Level {
    fn default() -> Self {
        Self::new(UNBOUNDED)
    }
}

impl Level {
    /// Nothing is taken of so much.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { amount: Mutex::new(Amount { now: 0, most }) }
    }

    /// Has another bound from now on. What is above it stays, and nothing more is taken.
    pub fn set(&self, most: usize) {
        self.lock().most = most;
    }

    /// Counts so much, whether or not there is room for it.
    pub fn add(&self, count: usize) {
        let mut amount = self.lock();
        amount.now = amount.now.saturating_add(count);
    }

    /// Gives so much back.
    pub fn give(&self, count: usize) {
        let mut amount = self.lock();
        amount.now = amount.now.saturating_sub(count);
    }

    /// Whether there is room for so much.
    #[must_use]
    pub fn has_room(&self, count: usize) -> bool {
        self.lock().has_room(count)
    }

    /// How much may be taken; [`UNBOUNDED`] is no bound.
    #[must_use]
    pub fn most(&self) -> usize {
        self.lock().most
    }

    /// How much is taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.lock().now
    }

    /// Takes so much of each, if all have room for it; of none otherwise.
    ///
    /// # Errors
    /// The index of the first that has no room.
    pub fn take_all<const N: usize>(levels: [&Self; N], count: usize) -> Result<(), usize> {
        let mut held = Self::hold(levels);
        match (0..N).find(|index| !held.has_room(*index, count)) {
            Some(index) => Err(index),
            None => {
                held.take(count);
                Ok(())
            }
        }
    }

    /// Keeps all of these levels from everybody else, to be taken of together.
    pub fn hold<const N: usize>(levels: [&Self; N]) -> Held<'_, N> {
        Held(levels.map(Self::lock))
    }

    fn lock(&self) -> MutexGuard<'_, Amount> {
        // Nothing in here panics between two writes, so a poisoned amount is still whole.
        self.amount.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Amount {
    fn has_room(&self, count: usize) -> bool {
        self.now.saturating_add(count) <= self.most
    }
}

/// Levels that nobody else takes of meanwhile.
#[derive(Debug)]
pub struct Held<'a, const N: usize>([MutexGuard<'a, Amount>; N]);

impl<const N: usize> Held<'_, N> {
    /// Whether the level of this index has room for so much.
    #[must_use]
    pub fn has_room(&self, index: usize, count: usize) -> bool {
        self.0.get(index).is_some_and(|amount| amount.has_room(count))
    }

    /// Takes so much of each.
    pub fn take(&mut self, count: usize) {
        for amount in &mut self.0 {
            amount.now = amount.now.saturating_add(count);
        }
    }
}
