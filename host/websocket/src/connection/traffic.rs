//! What went over the sockets of one plugin.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::closures::Closures;
use narrowboat_quota::Allowance;

/// Counts of one plugin, all its connections together.
#[derive(Debug, Default)]
pub struct Traffic {
    /// What the plugin may use.
    pub allowance: Arc<Allowance>,
    /// Whole messages of clients.
    pub received: Flow,
    /// Frames handed to sockets.
    pub sent: Flow,
    /// How connections ended.
    pub closures: Closures,
    /// Frames for which a connection's queue had no room.
    refused: AtomicU64,
    /// Frames that gave way to newer ones.
    dropped: AtomicU64,
    /// Connections that were closed since their peers did not read.
    stalled: AtomicU64,
}

impl Traffic {
    /// Of a plugin that may use so much.
    pub fn new(allowance: Arc<Allowance>) -> Self {
        Self { allowance, ..Self::default() }
    }

    /// Counts a message of a client.
    pub(super) fn hear(&self, bytes: usize) {
        self.received.count(bytes);
        self.allowance.hear(bytes);
    }

    /// Counts a frame that is handed to a socket.
    pub(super) fn say(&self, bytes: usize) {
        self.sent.count(bytes);
        self.allowance.say(bytes);
    }

    /// Counts a frame that a queue had no room for.
    pub(super) fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts frames that gave way to a newer one.
    pub(super) fn give_way(&self, frames: usize) {
        self.dropped.fetch_add(frames as u64, Ordering::Relaxed);
    }

    /// Counts a connection that is closed since its peer does not read.
    pub(super) fn stall(&self) {
        self.stalled.fetch_add(1, Ordering::Relaxed);
    }

    /// Frames that gave way to newer ones, under the policy `drop-oldest`.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Connections that were closed since their peers did not read, under the policy `close`.
    pub fn stalled(&self) -> u64 {
        self.stalled.load(Ordering::Relaxed)
    }

    /// Frames for which a connection's queue had no room, or that found it closing.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// Frames one way.
#[derive(Debug, Default)]
pub struct Flow {
    frames: AtomicU64,
    bytes: AtomicU64,
}

impl Flow {
    /// Counts a frame with so many bytes of payload.
    fn count(&self, bytes: usize) {
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
