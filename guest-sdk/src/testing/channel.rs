use std::fmt;
use std::rc::Rc;

use serde::{Serialize, de::DeserializeOwned};

use super::{
    backend::SharedBackend, channel_event::ChannelEvent, event_queue::EventQueue, failure::expect,
};
use crate::{frame::Frame, message};

/// A channel of the test itself, which [`Host::open_channel`](super::Host::open_channel) opens: another member of a
/// group, or the receiver of replies.
pub struct Channel {
    backend: SharedBackend,
    name: String,
    events: EventQueue<ChannelEvent>,
}

impl Channel {
    pub(super) fn new(backend: &SharedBackend, name: String) -> Self {
        Self { backend: Rc::clone(backend), name, events: EventQueue::new() }
    }

    /// The name of the channel.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds the channel to a group.
    ///
    /// # Panics
    /// If the name of the group is not valid.
    #[track_caller]
    pub fn group_add(&self, group: &str) {
        expect(self.backend.borrow_mut().group_add(group, &self.name));
    }

    /// Removes the channel from a group.
    ///
    /// # Panics
    /// If the name of the group is not valid.
    #[track_caller]
    pub fn group_discard(&self, group: &str) {
        expect(self.backend.borrow_mut().group_discard(group, &self.name));
    }

    /// Takes the next message or frame. `None` if nothing has arrived.
    #[track_caller]
    pub fn receive(&self) -> Option<ChannelEvent> {
        expect(self.events.take(|| self.backend.borrow_mut().channel_receive(&self.name)))
    }

    /// Takes the next message and decodes it. `T` may be the [`Message`](crate::Consumer::Message) of a consumer or a
    /// `serde_json::Value`.
    ///
    /// # Panics
    /// If nothing or a frame has arrived, or if the message does not match `T`.
    #[track_caller]
    pub fn receive_message<T: DeserializeOwned>(&self) -> T {
        match self.receive() {
            Some(event) => expect(event.decode()),
            None => panic!("the channel {:?} has received nothing", self.name),
        }
    }

    /// Takes the next frame, which a plugin has sent to a group of the channel.
    ///
    /// # Panics
    /// If nothing or a message has arrived.
    #[track_caller]
    pub fn receive_frame(&self) -> Frame {
        match self.receive().map(|event| (event.clone(), event.into_frame())) {
            Some((_, Some(frame))) => frame,
            Some((event, None)) => panic!("a message has come instead of a frame: {event:?}"),
            None => panic!("the channel {:?} has received nothing", self.name),
        }
    }

    /// Whether nothing has arrived. An event that has arrived stays.
    #[track_caller]
    #[must_use]
    pub fn receive_nothing(&self) -> bool {
        expect(self.events.is_empty(|| self.backend.borrow_mut().channel_receive(&self.name)))
    }

    /// Sends a message to this channel.
    ///
    /// # Panics
    /// If the message is not valid.
    #[track_caller]
    pub fn send<M: Serialize + ?Sized>(&self, message: &M) {
        let message = expect(message::encode(message));
        expect(self.backend.borrow_mut().layer_send(&self.name, &message));
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Channel").field(&self.name).finish()
    }
}
