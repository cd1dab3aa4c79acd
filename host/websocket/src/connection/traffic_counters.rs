//! The traffic of one plugin.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::close_counters::CloseCounters;
use super::direct_writer::WrittenFrames;
use super::frame_counter::FrameCounter;
use narrowboat_quota::QuotaChain;

/// Counters of one plugin, for all its connections together.
#[derive(Debug, Default)]
pub struct TrafficCounters {
    /// The quota of the plugin.
    pub quota: Arc<QuotaChain>,
    /// Complete messages of clients.
    pub received: FrameCounter,
    /// Frames that were passed to sockets.
    pub sent: FrameCounter,
    /// Ended connections.
    pub close_counters: CloseCounters,
    frames_refused: AtomicU64,
    frames_dropped: AtomicU64,
    connections_stalled: AtomicU64,
}

impl TrafficCounters {
    /// Returns zeroed counters for a plugin with this quota.
    pub fn new(quota: Arc<QuotaChain>) -> Self {
        Self { quota, ..Self::default() }
    }

    /// Counts a message of a client, also against the quota.
    pub(super) fn record_received(&self, bytes: usize) {
        self.received.record_frame(bytes);
        self.quota.record_received(bytes);
    }

    /// Counts a frame that is passed to a socket, also against the quota.
    pub(super) fn record_sent(&self, bytes: usize) {
        self.sent.record_frame(bytes);
        self.quota.record_sent(bytes);
    }

    /// Counts frames that another task has written, for which the quota has no rate.
    pub(super) fn record_written(&self, written: WrittenFrames) {
        self.sent.record_frames(written.frames, written.bytes);
    }

    /// Counts a frame that a queue refused.
    pub(super) fn record_refused(&self) {
        self.frames_refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts frames that a queue dropped for a newer frame.
    pub(super) fn record_dropped(&self, frames: usize) {
        self.frames_dropped.fetch_add(frames as u64, Ordering::Relaxed);
    }

    /// Counts a connection that is closed because its client does not read.
    pub(super) fn record_stalled(&self) {
        self.connections_stalled.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the number of frames that were dropped for newer ones, under the policy `drop-oldest`.
    pub fn frames_dropped(&self) -> u64 {
        self.frames_dropped.load(Ordering::Relaxed)
    }

    /// Returns the number of connections that were closed because their clients did not read, under the policy `close`.
    pub fn connections_stalled(&self) -> u64 {
        self.connections_stalled.load(Ordering::Relaxed)
    }

    /// Returns the number of frames that were refused because the queue was full or the connection was closing.
    pub fn frames_refused(&self) -> u64 {
        self.frames_refused.load(Ordering::Relaxed)
    }
}
