use std::cell::RefCell;

/// The events of a channel or connection, which a test takes one at a time. A test may look before it takes one.
#[derive(Debug)]
pub(super) struct EventQueue<E> {
    /// An event that was looked at, and that is not taken yet.
    peeked: RefCell<Option<E>>,
}

impl<E> EventQueue<E> {
    pub(super) fn new() -> Self {
        Self { peeked: RefCell::new(None) }
    }

    /// Takes the next event. `next` takes it from the host.
    ///
    /// # Errors
    /// That of `next`.
    pub(super) fn take<F>(
        &self,
        next: impl FnOnce() -> Result<Option<E>, F>,
    ) -> Result<Option<E>, F> {
        match self.peeked.take() {
            Some(event) => Ok(Some(event)),
            None => next(),
        }
    }

    /// Whether there is no event. The next one stays.
    ///
    /// # Errors
    /// That of `next`.
    pub(super) fn is_empty<F>(
        &self,
        next: impl FnOnce() -> Result<Option<E>, F>,
    ) -> Result<bool, F> {
        let event = self.take(next)?;
        let is_empty = event.is_none();
        self.peeked.replace(event);
        Ok(is_empty)
    }
}
