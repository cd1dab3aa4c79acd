//! Shortcuts past the reader of a mailbox.

use narrowboat_core::frame::Frame;

/// Acts for the reader of a mailbox while the reader rests, so that deliveries need not wake it.
///
/// The channel calls it under its lock. So it must not wait, and must not use the layer or the mailbox.
pub trait DeliverySink: Send + Sync {
    /// Takes a frame past the empty mailbox. Refuses it if the reader does not rest, or if this thread does not collect
    /// [flushes](narrowboat_core::deferred_flush). Returns whether it took the frame.
    fn try_accept(&self, frame: &Frame) -> bool;

    /// Takes over the reading, because a message has been put into the empty mailbox: a
    /// [`MailboxDeputy`](crate::MailboxDeputy) will soon take it, and what follows it. Until that one hands the mailbox
    /// back, nothing wakes the reader. Returns false if the reader has to be woken instead.
    fn try_take_over(&self) -> bool;
}
