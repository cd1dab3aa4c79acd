//! The operations of a test besides those of a connection.

use std::collections::VecDeque;

use super::{
    event_loop::Event,
    layer_names::{check_channel, check_group},
    native_connection::ConnectionId,
    native_host::NativeHost,
    native_layer::{Delivery, Receiver},
};
use crate::{
    close_frame::CloseFrame,
    frame::Frame,
    message,
    testing::{ChannelEvent, FakeResponse, LogLine, RequestFailure, RequestRule, SentRequest},
};

impl NativeHost {
    /// Closes a connection as a client does. The host answers with the same Close frame.
    pub(crate) fn disconnect(
        &mut self,
        id: ConnectionId,
        close: &CloseFrame,
    ) -> Result<(), String> {
        if self.with_connection(id, |connection| connection.is_live())? {
            self.with_connection(id, |connection| connection.close = Some(close.clone()))?;
        }
        self.end_by_client(id, close.clone())
    }

    /// Ends a connection without a Close frame.
    pub(crate) fn abort(&mut self, id: ConnectionId) -> Result<(), String> {
        self.end_by_client(id, CloseFrame::abnormal())
    }

    /// Ends a connection on the side of the client. A connection that has ended stays as it is.
    fn end_by_client(&mut self, id: ConnectionId, close: CloseFrame) -> Result<(), String> {
        let was_live = self.with_connection(id, |connection| {
            let was_live = connection.is_live();
            connection.is_closing = true;
            was_live
        })?;
        if was_live {
            self.events.push_back(Event::End(id, close));
        }
        self.settle()
    }

    /// Opens a channel of the test, and returns its name.
    pub(crate) fn open_channel(&mut self) -> Result<String, String> {
        self.last_channel += 1;
        let name = format!("specific.test!channel{}", self.last_channel);
        self.layer.open(&name, Receiver::Test(VecDeque::new()));
        Ok(name)
    }

    /// Takes the next message or frame of a channel of the test.
    ///
    /// # Errors
    /// The channel is not one of the test.
    pub(crate) fn channel_receive(
        &mut self,
        channel: &str,
    ) -> Result<Option<ChannelEvent>, String> {
        match self.layer.receiver_mut(channel) {
            Some(Receiver::Test(events)) => Ok(events.pop_front()),
            _ => Err(format!("{channel:?} is not a channel that the test has opened")),
        }
    }

    /// Adds a channel to a group.
    pub(crate) fn group_add(&mut self, group: &str, channel: &str) -> Result<(), String> {
        check_group(group).and_then(|()| check_channel(channel))?;
        self.layer.group_add(group, channel);
        Ok(())
    }

    /// Removes a channel from a group.
    pub(crate) fn group_discard(&mut self, group: &str, channel: &str) -> Result<(), String> {
        check_group(group).and_then(|()| check_channel(channel))?;
        self.layer.group_discard(group, channel);
        Ok(())
    }

    /// Sends a message to a channel.
    pub(crate) fn layer_send(&mut self, channel: &str, message: &[u8]) -> Result<(), String> {
        check_channel(channel).and_then(|()| message::message_type(message))?;
        self.queue_message(channel.to_owned(), message.to_owned());
        self.settle()
    }

    /// Sends a message to a group.
    pub(crate) fn group_send(&mut self, group: &str, message: &[u8]) -> Result<(), String> {
        check_group(group).and_then(|()| message::message_type(message))?;
        self.group_deliver(group, &Delivery::Message(message.to_owned()));
        self.settle()
    }

    /// Sends a frame to a group.
    pub(crate) fn group_send_frame(&mut self, group: &str, frame: Frame) -> Result<(), String> {
        check_group(group)?;
        self.group_deliver(group, &Delivery::Frame(frame));
        self.settle()
    }

    /// Sets the response to requests.
    pub(crate) fn respond(
        &mut self,
        rule: RequestRule,
        response: FakeResponse,
    ) -> Result<(), String> {
        self.state().http.add_rule(rule, Ok(response));
        Ok(())
    }

    /// Lets requests fail.
    pub(crate) fn fail_request(
        &mut self,
        rule: RequestRule,
        failure: RequestFailure,
    ) -> Result<(), String> {
        self.state().http.add_rule(rule, Err(failure));
        Ok(())
    }

    /// The requests that the plugin has sent.
    pub(crate) fn requests(&self) -> Result<Vec<SentRequest>, String> {
        Ok(self.state().http.requests.clone())
    }

    /// The lines of the plugin's log.
    pub(crate) fn logs(&self) -> Result<Vec<LogLine>, String> {
        Ok(self.state().logs.clone())
    }

    /// The faults of the plugin, in words.
    pub(crate) fn faults(&self) -> Result<Vec<String>, String> {
        Ok(self.faults.clone())
    }
}
