use std::collections::{BTreeMap, VecDeque};

use super::native_connection::ConnectionId;
use crate::{frame::Frame, testing::ChannelEvent};

/// The channels and groups of a host.
#[derive(Debug, Default)]
pub(super) struct NativeLayer {
    channels: BTreeMap<String, Receiver>,
    /// The members of each group, in the order in which they joined.
    groups: BTreeMap<String, Vec<String>>,
}

/// The receiver of the messages of a channel.
#[derive(Debug)]
pub(super) enum Receiver {
    Connection(ConnectionId),
    /// The worker with this index.
    Worker(usize),
    /// The test, which has not read these events yet.
    Test(VecDeque<ChannelEvent>),
}

/// A message or a frame on its way to a channel.
#[derive(Clone, Debug)]
pub(super) enum Delivery {
    Message(Vec<u8>),
    Frame(Frame),
}

impl NativeLayer {
    pub(super) fn open(&mut self, channel: &str, receiver: Receiver) {
        self.channels.insert(channel.to_owned(), receiver);
    }

    /// Closes a channel, and removes it from its groups.
    pub(super) fn close(&mut self, channel: &str) {
        self.channels.remove(channel);
        self.groups.values_mut().for_each(|members| members.retain(|member| member != channel));
    }

    pub(super) fn receiver_mut(&mut self, channel: &str) -> Option<&mut Receiver> {
        self.channels.get_mut(channel)
    }

    /// Adds an open channel to a group. A channel that is not open could get nothing.
    pub(super) fn group_add(&mut self, group: &str, channel: &str) {
        let is_open = self.channels.contains_key(channel);
        let members = self.groups.entry(group.to_owned()).or_default();
        if is_open && !members.iter().any(|member| member == channel) {
            members.push(channel.to_owned());
        }
    }

    pub(super) fn group_discard(&mut self, group: &str, channel: &str) {
        if let Some(members) = self.groups.get_mut(group) {
            members.retain(|member| member != channel);
        }
    }

    pub(super) fn members(&self, group: &str) -> Vec<String> {
        self.groups.get(group).cloned().unwrap_or_default()
    }
}
