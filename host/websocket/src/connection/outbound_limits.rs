//! The limits of an outbound queue.

use narrowboat_config::OverflowPolicy;

/// The memory of a queued frame in addition to its payload, in bytes. It bounds the number of frames in a queue.
const FRAME_OVERHEAD_BYTES: usize = 64;

/// The number of frames that every queue accepts.
pub(super) const MIN_QUEUE_FRAMES: usize = 16;

/// The limits of one connection's outbound queue.
#[derive(Debug, Clone, Copy)]
pub struct OutboundLimits {
    /// The size of the queue, in bytes. An empty queue accepts a larger frame.
    pub max_queued_bytes: usize,
    /// The largest frame, in bytes.
    pub max_frame: usize,
    /// The policy for a frame that does not fit.
    pub overflow: OverflowPolicy,
}

impl OutboundLimits {
    /// The limits of a connection that accepts no frames.
    pub const NONE: Self =
        Self { max_queued_bytes: 0, max_frame: 0, overflow: OverflowPolicy::Refuse };
}

/// The size of frames that wait for a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PendingSize {
    /// The number of frames.
    pub frames: usize,
    /// The bytes of their payloads.
    pub bytes: usize,
}

/// An error of a frame that was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushError {
    /// The connection is closing or closed.
    Closed,
    /// The queue is full.
    Full,
    /// The frame is larger than this limit, in bytes.
    TooLarge(usize),
}

impl OutboundLimits {
    /// Checks whether a frame of `len` bytes may follow the `waiting` frames.
    pub(super) fn check(&self, waiting: PendingSize, len: usize) -> Result<(), PushError> {
        if len > self.max_frame {
            return Err(PushError::TooLarge(self.max_frame));
        }
        if self.overflow == OverflowPolicy::DropOldest {
            return Ok(());
        }
        let exceeds_bytes = waiting.bytes > 0 && waiting.bytes + len > self.max_queued_bytes;
        if exceeds_bytes || waiting.frames >= self.max_frames() {
            return Err(PushError::Full);
        }
        Ok(())
    }

    /// Returns how many frames a queue may have, even if they are empty.
    pub(super) fn max_frames(&self) -> usize {
        (self.max_queued_bytes / FRAME_OVERHEAD_BYTES).max(MIN_QUEUE_FRAMES)
    }
}
