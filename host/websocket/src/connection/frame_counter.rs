//! A counter of frames and bytes.

use std::sync::atomic::{AtomicU64, Ordering};

use narrowboat_core::striped::Striped;

/// Counts the frames of one direction, and the bytes of their payloads.
#[derive(Debug, Default)]
pub struct FrameCounter(Striped<FrameCount>);

#[derive(Debug, Default)]
struct FrameCount {
    frames: AtomicU64,
    bytes: AtomicU64,
}

impl FrameCounter {
    /// Counts a frame with this many bytes of payload.
    pub(super) fn record_frame(&self, bytes: usize) {
        self.record_frames(1, bytes as u64);
    }

    /// Counts frames with this many bytes of payload together.
    pub(super) fn record_frames(&self, frames: u64, bytes: u64) {
        let count = self.0.local();
        count.frames.fetch_add(frames, Ordering::Relaxed);
        count.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Returns the number of frames.
    pub fn frames(&self) -> u64 {
        self.0.iter().map(|count| count.frames.load(Ordering::Relaxed)).sum()
    }

    /// Returns the number of bytes of payload.
    pub fn bytes(&self) -> u64 {
        self.0.iter().map(|count| count.bytes.load(Ordering::Relaxed)).sum()
    }
}
