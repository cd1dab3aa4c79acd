//! The receiving end of a channel.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Delivery;
use narrowboat_core::name::ChannelName;

/// What a mailbox reads from: a backend's side of one channel.
pub(crate) trait MailboxSource: Send + Sync {
    /// The channel's name.
    fn channel(&self) -> &ChannelName;

    /// The next delivery; if there is none, whom to wake when there is. Only the last waker asked with is kept.
    fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Delivery>;

    /// The next delivery if there is one.
    fn try_recv(&self) -> Option<Delivery>;

    /// The reader left.
    fn close(self: Arc<Self>);
}

/// The receiving end of a channel, with at most one at a time. Dropping it ends a unique channel with its
/// memberships; a named one keeps what waits in it, and its memberships.
pub struct Mailbox(Arc<dyn MailboxSource>);

impl Mailbox {
    pub(crate) fn new(source: Arc<dyn MailboxSource>) -> Self {
        Self(source)
    }

    /// The channel's name.
    #[must_use]
    pub fn channel(&self) -> &ChannelName {
        self.0.channel()
    }

    /// The next delivery that has not expired; without one, the task is woken when one comes.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Delivery> {
        self.0.poll_recv(cx)
    }

    /// Waits for the next delivery. Cancel safe: a dropped future has taken nothing. It waits for ever if the layer
    /// is gone.
    pub async fn recv(&mut self) -> Delivery {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// The next delivery if there is one.
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
