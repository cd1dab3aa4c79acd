//! A gauge with a limit. Several gauges can be acquired together.

use std::sync::PoisonError;

use crate::primitives::{Mutex, MutexGuard};

/// The limit that allows any usage.
pub const UNBOUNDED: usize = usize::MAX;

/// The usage of a resource, and its limit.
///
/// A refused request is never counted, not even for a moment: otherwise it could cause the refusal of a smaller request
/// that fits. So the gauges of nested owners are locked together and checked before any of them changes. Every caller
/// must lock several gauges in the same order, from the narrowest owner to the widest.
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
    /// Creates an unused gauge with a limit.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { state: Mutex::new(GaugeState { used: 0, limit }) }
    }

    /// Replaces the limit. Usage above a lowered limit is kept; requests are refused until it falls.
    pub fn set_limit(&self, limit: usize) {
        self.lock().limit = limit;
    }

    /// Adds `count` to the usage, even above the limit.
    pub fn add_unchecked(&self, count: usize) {
        let mut state = self.lock();
        state.used = state.used.saturating_add(count);
    }

    /// Subtracts `count` from the usage.
    pub fn release(&self, count: usize) {
        let mut state = self.lock();
        state.used = state.used.saturating_sub(count);
    }

    /// Whether `count` more would stay within the limit.
    #[must_use]
    pub fn has_room(&self, count: usize) -> bool {
        self.lock().has_room(count)
    }

    /// The limit; [`UNBOUNDED`] if there is none.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.lock().limit
    }

    /// The usage.
    #[must_use]
    pub fn used(&self) -> usize {
        self.lock().used
    }

    /// Adds `count` to the usage of every gauge if all have room for it, and to none otherwise.
    ///
    /// # Errors
    /// The index of the first gauge that has no room.
    pub fn try_acquire_all<const N: usize>(gauges: [&Self; N], count: usize) -> Result<(), usize> {
        let mut guards = Self::lock_all(gauges);
        match (0..N).find(|index| !guards.has_room(*index, count)) {
            Some(index) => Err(index),
            None => {
                guards.acquire(count);
                Ok(())
            }
        }
    }

    /// Locks several gauges, to check and change them together.
    pub fn lock_all<const N: usize>(gauges: [&Self; N]) -> GaugeLimitGuards<'_, N> {
        GaugeLimitGuards(gauges.map(Self::lock))
    }

    fn lock(&self) -> MutexGuard<'_, GaugeState> {
        // No code panics between two writes, so a poisoned state is still consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GaugeState {
    fn has_room(&self, count: usize) -> bool {
        self.used.saturating_add(count) <= self.limit
    }
}

/// Several locked gauges.
#[derive(Debug)]
pub struct GaugeLimitGuards<'a, const N: usize>([MutexGuard<'a, GaugeState>; N]);

impl<const N: usize> GaugeLimitGuards<'_, N> {
    /// Whether `count` more would stay within the limit of the gauge at `index`.
    #[must_use]
    pub fn has_room(&self, index: usize, count: usize) -> bool {
        self.0.get(index).is_some_and(|state| state.has_room(count))
    }

    /// Adds `count` to the usage of every gauge.
    pub fn acquire(&mut self, count: usize) {
        for state in &mut self.0 {
            state.used = state.used.saturating_add(count);
        }
    }
}
