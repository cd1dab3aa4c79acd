//! How a layer fares.

use super::DecodeErrorCounts;
use narrowboat_core::histogram::HistogramSnapshot;

/// A layer's state and what it has counted since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerStatus {
    /// Whether all of its backend is reached. The memory layer always is.
    pub connected: bool,
    /// Deliveries dropped because a member of a group, or a channel elsewhere, had no room.
    pub dropped_count: u64,
    /// Messages and frames that a backend refused, or of which it is not known whether they reached it.
    pub lost: u64,
    /// What was read from the backend and is no message.
    pub decode_errors: DecodeErrorCounts,
    /// Messages that had expired when they were taken, by the clocks of this process and their senders.
    pub expired_count: u64,
    /// Messages and frames that wait to leave.
    pub queued_count: usize,
    /// How long batches took to the backend and back; none where there is no backend elsewhere.
    pub round_trips: Option<HistogramSnapshot>,
}
