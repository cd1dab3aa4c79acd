//! The frames of an outbound queue.

use std::collections::VecDeque;

use super::outbound_limits::{OutboundLimits, PendingSize};
use narrowboat_core::frame::Frame;

/// A queue with a larger capacity, in frames, frees its memory when it is empty.
const MAX_RETAINED_CAPACITY: usize = 16;

/// The frames that wait for one socket, in their order, and their size.
#[derive(Debug, Default)]
pub(super) struct FrameQueue {
    frames: VecDeque<Frame>,
    queued_bytes: usize,
    /// Bytes of frames that the connection has taken and the socket may not have accepted.
    unwritten_bytes: usize,
}

impl FrameQueue {
    /// Appends a frame.
    pub(super) fn push(&mut self, frame: Frame) {
        self.queued_bytes += frame.len();
        self.frames.push_back(frame);
    }

    /// Takes the first frame. Its bytes count as unwritten until [`confirm_written`](Self::confirm_written).
    pub(super) fn pop(&mut self) -> Option<Frame> {
        let frame = self.frames.pop_front()?;
        self.queued_bytes -= frame.len();
        self.unwritten_bytes += frame.len();
        Some(frame)
    }

    /// Records that the socket has accepted all frames that were taken.
    pub(super) fn confirm_written(&mut self) {
        self.unwritten_bytes = 0;
    }

    /// Takes the oldest frames out until a frame of `len` bytes fits. Frames that the connection has taken stay.
    pub(super) fn evict_oldest(&mut self, limits: &OutboundLimits, len: usize) -> Vec<Frame> {
        let mut evicted = Vec::new();
        while (self.queued_bytes + len > limits.max_queued_bytes
            || self.frames.len() >= limits.max_frames())
            && let Some(oldest) = self.frames.pop_front()
        {
            self.queued_bytes -= oldest.len();
            evicted.push(oldest);
        }
        evicted
    }

    /// Drops all queued frames.
    pub(super) fn clear(&mut self) {
        self.frames = VecDeque::new();
        self.queued_bytes = 0;
    }

    /// Frees the memory of an empty queue that has been large.
    pub(super) fn shrink(&mut self) {
        if self.frames.is_empty() && self.frames.capacity() > MAX_RETAINED_CAPACITY {
            self.frames = VecDeque::new();
        }
    }

    /// Returns whether frames wait in the queue or for the socket.
    pub(super) fn has_pending(&self) -> bool {
        !self.frames.is_empty() || self.unwritten_bytes > 0
    }

    pub(super) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Returns the bytes in the queue and those that the socket may not have accepted.
    pub(super) fn buffered_bytes(&self) -> usize {
        self.queued_bytes + self.unwritten_bytes
    }

    /// Returns the size of the queue with the `additional` frames. Bytes that the socket may not have accepted count.
    pub(super) fn size_with(&self, additional: PendingSize) -> PendingSize {
        PendingSize {
            frames: self.frames.len() + additional.frames,
            bytes: self.buffered_bytes() + additional.bytes,
        }
    }
}
