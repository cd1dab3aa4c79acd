//! The receiving end of a channel.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::{Delivery, FrameSink};
use narrowboat_core::name::ChannelName;

/// The backend's side of one channel, from which its mailbox reads.
pub(crate) trait MailboxSource: Send + Sync {
    /// Returns the channel's name.
    fn channel(&self) -> &ChannelName;

    /// Takes the next delivery, or registers the task to wake for the next one. Only the last waker is kept.
    fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Delivery>;

    /// Takes the next delivery if there is one.
    fn try_recv(&self) -> Option<Delivery>;

    /// Sets the shortcut for frames, which ends with the mailbox.
    fn set_frame_sink(&self, sink: Arc<dyn FrameSink>);

    /// Handles a dropped mailbox.
    fn close(self: Arc<Self>);
}

/// The receiving end of a channel. A channel has at most one at a time. Dropping it ends a unique channel with its
/// memberships. A named channel keeps its messages and memberships.
pub struct Mailbox(Arc<dyn MailboxSource>);

impl Mailbox {
    pub(crate) fn new(source: Arc<dyn MailboxSource>) -> Self {
        Self(source)
    }

    /// Returns the channel's name.
    #[must_use]
    pub fn channel(&self) -> &ChannelName {
        self.0.channel()
    }

    /// Takes the next delivery that has not expired, or wakes the task when there is one.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Delivery> {
        self.0.poll_recv(cx)
    }

    /// Waits for the next delivery. Cancel safe: a dropped future has taken nothing. Waits for ever if the layer was
    /// dropped.
    pub async fn recv(&mut self) -> Delivery {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Gives frames to a sink from now on, as long as the mailbox is empty and the sink takes them.
    pub fn set_frame_sink(&mut self, sink: Arc<dyn FrameSink>) {
        self.0.set_frame_sink(sink);
    }

    /// Takes the next delivery if there is one.
    pub fn try_recv(&mut self) -> Option<Delivery> {
        self.0.try_recv()
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        Arc::clone(&self.0).close();
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mailbox").field(self.channel()).finish()
    }
}
