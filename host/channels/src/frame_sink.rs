//! A shortcut for frames past a mailbox.

use narrowboat_core::frame::Frame;

/// Takes the frames of a channel whose reader has nothing else to do, so that they need not wake the reader.
pub trait FrameSink: Send + Sync {
    /// Takes a frame, unless it has to wait in the mailbox: because the reader is busy, or because this thread does not
    /// collect [flushes](narrowboat_core::deferred_flush). Returns whether the frame was taken.
    fn try_accept(&self, frame: &Frame) -> bool;
}
