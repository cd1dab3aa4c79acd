//! The backend's side of one channel.

use std::sync::Arc;
use std::task::{Context, Poll};

use super::{Delivery, DeliverySink};
use narrowboat_core::name::ChannelName;

/// The backend's side of one channel, from which its mailbox reads.
pub(crate) trait MailboxSource: Send + Sync {
    /// Returns the channel's name.
    fn channel(&self) -> &ChannelName;

    /// Takes the next delivery, or registers the task to wake for the next one. Only the last waker is kept.
    fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Delivery>;

    /// Takes the next delivery if there is one.
    fn try_recv(&self) -> Option<Delivery>;

    /// Sets the shortcut past the mailbox, which ends with the mailbox.
    fn set_delivery_sink(&self, sink: Arc<dyn DeliverySink>);

    /// Takes the next delivery for a deputy. If there is none, the reader reads again.
    fn take_for_deputy(&self) -> Option<Delivery>;

    /// Lets the reader read again, and wakes it if a delivery waits.
    fn hand_back(&self);

    /// Handles a dropped mailbox.
    fn close(self: Arc<Self>);
}
