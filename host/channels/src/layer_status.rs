//! The status of a layer.

use super::DecodeErrorCounts;
use narrowboat_core::histogram::HistogramSnapshot;

/// The connection state of a layer, and its counters since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerStatus {
    /// Whether every backend server is reachable. The memory layer is always connected.
    pub is_connected: bool,
    /// Deliveries that were dropped because a member of a group, or a channel in another process, was full.
    pub dropped_count: u64,
    /// Messages and frames that the backend refused, or that may not have reached it.
    pub lost_count: u64,
    /// Values from the backend that are not messages.
    pub decode_errors: DecodeErrorCounts,
    /// Messages that had expired when the layer read them, by the clocks of this process and their senders.
    pub expired_count: u64,
    /// Messages and frames that wait in the queue to the backend.
    pub queued_count: usize,
    /// The times of round trips to the backend. `None` for the memory layer.
    pub round_trip_times: Option<HistogramSnapshot>,
}
