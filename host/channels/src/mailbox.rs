//! The receiving end of a channel.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::mailbox_source::MailboxSource;
use super::{Delivery, DeliverySink, MailboxDeputy};
use narrowboat_core::name::ChannelName;

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

    /// Lets a sink act for the reader from now on, while the reader rests.
    pub fn set_delivery_sink(&mut self, sink: Arc<dyn DeliverySink>) {
        self.0.set_delivery_sink(sink);
    }

    /// Returns the deputy that reads in place of the reader after [`DeliverySink::try_take_over`].
    #[must_use]
    pub fn deputy(&self) -> MailboxDeputy {
        MailboxDeputy::new(Arc::downgrade(&self.0))
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
