//! What went over the sockets of one plugin.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::close_counters::CloseCounters;
use narrowboat_quota::QuotaChain;

/// Counts of one plugin, all its connections together.
#[derive(Debug, Default)]
pub struct TrafficCounters {
    /// What the plugin may use.
    pub quota: Arc<QuotaChain>,
    /// Whole messages of clients.
    pub received: FrameCounter,
    /// Frames handed to sockets.
    pub sent: FrameCounter,
    /// How connections ended.
    pub close_counters: CloseCounters,
    /// Frames for which a connection's queue had no room.
    frames_refused: AtomicU64,
    /// Frames that gave way to newer ones.
    frames_dropped: AtomicU64,
    /// Connections that were closed since their peers did not read.
    connections_stalled: AtomicU64,
}

impl TrafficCounters {
    /// Of a plugin that may use so much.
    pub fn new(quota: Arc<QuotaChain>) -> Self {
        Self { quota, ..Self::default() }
    }

    /// Counts a message of a client.
    pub(super) fn record_received(&self, bytes: usize) {
        self.received.record_frame(bytes);
        self.quota.record_received(bytes);
    }

    /// Counts a frame that is handed to a socket.
    pub(super) fn record_sent(&self, bytes: usize) {
        self.sent.record_frame(bytes);
        self.quota.record_sent(bytes);
    }

    /// Counts a frame that a queue had no room for.
    pub(super) fn record_refused(&self) {
        self.frames_refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts frames that gave way to a newer one.
    pub(super) fn record_dropped(&self, frames: usize) {
        self.frames_dropped.fetch_add(frames as u64, Ordering::Relaxed);
    }

    /// Counts a connection that is closed since its peer does not read.
    pub(super) fn record_stalled(&self) {
        self.connections_stalled.fetch_add(1, Ordering::Relaxed);
    }

    /// Frames that gave way to newer ones, under the policy `drop-oldest`.
    pub fn frames_dropped(&self) -> u64 {
        self.frames_dropped.load(Ordering::Relaxed)
    }

    /// Connections that were closed since their peers did not read, under the policy `close`.
    pub fn connections_stalled(&self) -> u64 {
        self.connections_stalled.load(Ordering::Relaxed)
    }

    /// Frames for which a connection's queue had no room, or that found it closing.
    pub fn frames_refused(&self) -> u64 {
        self.frames_refused.load(Ordering::Relaxed)
    }
}

/// Frames one way.
#[derive(Debug, Default)]
pub struct FrameCounter {
    frames: AtomicU64,
    bytes: AtomicU64,
}

impl FrameCounter {
    /// Counts a frame with so many bytes of payload.
    fn record_frame(&self, bytes: usize) {
        self.frames.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Frames so far.
    pub fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// Bytes of payload so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}
