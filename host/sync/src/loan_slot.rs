//! A slot in which an owner leaves a value while it rests, so that other tasks may borrow the value.
//!
//! ```text
//!              lend                   try_borrow
//!   with the ───────▶ available ─────────────────────▶ borrowed
//!    owner   ◀─────── (or held)  ◀──────────────────────  │ the borrow is dropped
//!          poll_take_back        give_back, give_back_held ▼
//!            ▲                                            lost
//!            └─────────────────── poll_take_back ──────────┘
//! ```
//!
//! Only the owner lends the value and takes it back. An owner that finds the value borrowed waits for it.

use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};

use crate::primitives::{Mutex, MutexGuard};

/// A slot for a value of a resting owner.
#[derive(Debug)]
pub struct LoanSlot<T>(Mutex<LoanState<T>>);

#[derive(Debug)]
enum LoanState<T> {
    /// The owner has the value, or has never lent it.
    WithOwner,
    /// Any task may borrow the value.
    Available(T),
    /// The value is here for the owner alone.
    Held(T),
    /// A task has the value. The waker is that of an owner that waits for it.
    Borrowed(Option<Waker>),
    /// The task that had the value has lost it.
    Lost,
    /// The owner has ended.
    Closed,
}

/// The value, when the owner wants it back.
#[derive(Debug, PartialEq, Eq)]
pub enum TakenBack<T> {
    /// The owner has not lent it.
    NotLent,
    /// The value, as the last borrower left it.
    Value(T),
    /// A borrower has lost the value, because it panicked.
    Lost,
}

/// A borrowed value. Dropping it loses the value: give it back.
#[must_use]
#[derive(Debug)]
pub struct Loan<'a, T> {
    slot: &'a LoanSlot<T>,
    value: Option<T>,
}

impl<T> Default for LoanSlot<T> {
    fn default() -> Self {
        Self(Mutex::new(LoanState::WithOwner))
    }
}

impl<T> LoanSlot<T> {
    /// Leaves the value to borrowers. Called by the owner, which has the value.
    pub fn lend(&self, value: T) {
        *self.lock() = LoanState::Available(value);
    }

    /// Whether a borrower would get the value now.
    pub fn is_available(&self) -> bool {
        matches!(*self.lock(), LoanState::Available(_))
    }

    /// Takes the value back for the owner. Pending while a task has it; then the owner is woken.
    pub fn poll_take_back(&self, cx: &Context<'_>) -> Poll<TakenBack<T>> {
        let mut state = self.lock();
        match std::mem::replace(&mut *state, LoanState::WithOwner) {
            LoanState::WithOwner | LoanState::Closed => Poll::Ready(TakenBack::NotLent),
            LoanState::Available(value) | LoanState::Held(value) => {
                Poll::Ready(TakenBack::Value(value))
            }
            LoanState::Lost => Poll::Ready(TakenBack::Lost),
            LoanState::Borrowed(_) => {
                *state = LoanState::Borrowed(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }

    /// Ends the slot, and returns the value if it is here. A value that is borrowed now is dropped by its borrower.
    pub fn close(&self) -> Option<T> {
        match std::mem::replace(&mut *self.lock(), LoanState::Closed) {
            LoanState::Available(value) | LoanState::Held(value) => Some(value),
            _ => None,
        }
    }

    /// Borrows the value, if the owner has lent it and no other task has it.
    pub fn try_borrow(&self) -> Option<Loan<'_, T>> {
        let mut state = self.lock();
        match std::mem::replace(&mut *state, LoanState::Borrowed(None)) {
            LoanState::Available(value) => Some(Loan { slot: self, value: Some(value) }),
            other => {
                *state = other;
                None
            }
        }
    }

    /// Puts a borrowed value into place, and wakes an owner that waits for it: that one is the next to get the value.
    /// Returns the value if the owner has ended.
    fn put_back(&self, new: LoanState<T>) -> Option<T> {
        let mut state = self.lock();
        match std::mem::replace(&mut *state, new) {
            LoanState::Borrowed(None) => None,
            LoanState::Borrowed(Some(waker)) => {
                *state = match std::mem::replace(&mut *state, LoanState::Lost) {
                    LoanState::Available(value) => LoanState::Held(value),
                    other => other,
                };
                drop(state);
                waker.wake();
                None
            }
            other => match std::mem::replace(&mut *state, other) {
                LoanState::Available(value) | LoanState::Held(value) => Some(value),
                _ => None,
            },
        }
    }

    fn lock(&self) -> MutexGuard<'_, LoanState<T>> {
        // No code panics between two writes, so a poisoned state is still consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Loan<'_, T> {
    /// Gives the value back: to an owner that waits for it, or so that others may borrow it. Returns the value if its owner has ended.
    pub fn give_back(mut self) -> Option<T> {
        let value = self.value.take()?;
        self.slot.put_back(LoanState::Available(value))
    }

    /// Gives the value back to its owner alone. Returns the value if its owner has ended. The caller has to wake the owner.
    pub fn give_back_held(mut self) -> Option<T> {
        let value = self.value.take()?;
        self.slot.put_back(LoanState::Held(value))
    }
}

impl<T> Deref for Loan<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.value {
            Some(value) => value,
            None => unreachable!("only the methods that consume the loan take its value"),
        }
    }
}

impl<T> DerefMut for Loan<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.value {
            Some(value) => value,
            None => unreachable!("only the methods that consume the loan take its value"),
        }
    }
}

impl<T> Drop for Loan<'_, T> {
    fn drop(&mut self) {
        if let Some(value) = self.value.take() {
            self.slot.put_back(LoanState::Lost);
            drop(value);
        }
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests;
