//! A counter of frames and bytes.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the frames of one direction, and the bytes of their payloads.
#[derive(Debug, Default)]
pub struct FrameCounter {
    frames: AtomicU64,
    bytes: AtomicU64,
}

impl FrameCounter {
    /// Counts a frame with this many bytes of payload.
    pub(super) fn record_frame(&self, bytes: usize) {
        self.frames.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts frames with this many bytes of payload together.
    pub(super) fn record_frames(&self, frames: u64, bytes: u64) {
        self.frames.fetch_add(frames, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Returns the number of frames.
    pub fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// Returns the number of bytes of payload.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}
