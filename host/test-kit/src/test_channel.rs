//! Channels of a test itself.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::task::Poll;

use narrowboat_channels::{Delivery, Mailbox};

use crate::reply::{Reply, ReplyData};

/// The channels that a test has opened, by name.
#[derive(Default)]
pub(crate) struct TestChannels(BTreeMap<String, Mailbox>);

impl TestChannels {
    /// Adds a channel, and returns its name.
    pub(crate) fn add(&mut self, mailbox: Mailbox) -> String {
        let name = mailbox.channel().as_str().to_owned();
        self.0.insert(name.clone(), mailbox);
        name
    }

    /// Takes the next delivery of a channel.
    ///
    /// # Errors
    /// If the test has not opened the channel.
    pub(crate) async fn receive(&mut self, name: &str) -> Result<Reply, String> {
        let mailbox = self.0.get_mut(name);
        let mailbox = mailbox.ok_or_else(|| {
            format!("the test has not opened the channel {name:?}; open_channel returns its name")
        })?;
        let delivery = poll_fn(|cx| match mailbox.poll_recv(cx) {
            Poll::Ready(delivery) => Poll::Ready(Some(delivery)),
            Poll::Pending => Poll::Ready(None),
        });
        match delivery.await {
            None => Ok(Reply::Nothing),
            Some(Delivery::Frame(frame)) => Ok(Reply::Data { data: ReplyData::from(frame) }),
            Some(Delivery::Message(message)) => {
                let message = rmpv::decode::read_value(&mut &**message.bytes());
                let message =
                    message.map_err(|error| format!("a message is not valid: {error}"))?;
                Ok(Reply::Message { message })
            }
        }
    }
}
