//! The progress of a batch of events in a guest.

use crate::bindings::narrowboat::consumer::types::{Error as GuestError, Handling};
use crate::call::ConnectionId;

/// The progress of the batch that the guest handles in the running call.
#[derive(Debug)]
pub(crate) struct BatchProgress {
    /// The consumers of the events, in order.
    ids: Vec<ConnectionId>,
    ended_count: usize,
    /// The events whose messages have a type that the guest does not know.
    unknown_types: Vec<usize>,
    /// The result of the last event that has ended.
    last_result: Result<Handling, GuestError>,
    /// Whether the guest has been told that no event follows.
    is_over: bool,
}

impl BatchProgress {
    pub(crate) fn new(ids: Vec<ConnectionId>) -> Self {
        let last_result = Ok(Handling::Handled);
        Self { ids, ended_count: 0, unknown_types: Vec::new(), last_result, is_over: false }
    }

    /// Records the end of the event that runs. Returns the consumer of the next event, if there is one.
    pub(super) fn end_event(
        &mut self,
        result: Result<Handling, GuestError>,
    ) -> Option<ConnectionId> {
        if matches!(result, Ok(Handling::UnknownType)) {
            self.unknown_types.push(self.ended_count);
        }
        self.last_result = result;
        self.ended_count += 1;
        self.ids.get(self.ended_count).copied()
    }

    /// Records that no further event begins.
    pub(super) fn finish(&mut self) {
        self.is_over = true;
    }

    /// Whether the guest has been told that no event follows.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// The events that have ended. If the guest `has_trapped`, it did so in the event after them: the event that it
    /// ended last, if it trapped before it returned from that event.
    pub(crate) fn ended_count(&self, has_trapped: bool) -> usize {
        self.ended_count - usize::from(has_trapped && self.is_over)
    }

    /// The events whose messages have a type that the guest does not know.
    pub(crate) fn unknown_types(&self) -> &[usize] {
        &self.unknown_types
    }

    /// The consumer of the last event that has ended, and the result of that event. `None` if none has ended.
    pub(crate) fn into_last_result(self) -> Option<(ConnectionId, Result<Handling, GuestError>)> {
        let last = self.ended_count.checked_sub(1)?;
        Some((self.ids[last], self.last_result))
    }
}
