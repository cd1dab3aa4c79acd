//! What a guest asked for during one call, to be done after it, in order.

use std::sync::Arc;
use std::time::Duration;

use narrowboat_channels::QueueLoad;
use narrowboat_core::close_frame::CloseFrame;
use narrowboat_core::fault::Fault;
use narrowboat_core::frame::Frame;
use narrowboat_core::message::Message;
use narrowboat_core::name::{ChannelName, GroupName};
use narrowboat_websocket::connection::{ConnectionHandle, TimerId};

/// One thing a guest asked for.
#[derive(Debug)]
pub enum Effect {
    /// A frame for one socket.
    Send(Arc<ConnectionHandle>, Frame),
    /// One frame for many sockets.
    SendMany(Vec<Arc<ConnectionHandle>>, Frame),
    /// The closing handshake.
    Close(Arc<ConnectionHandle>, CloseFrame),
    /// The end of a connection whose consumer broke the contract.
    Fail(Arc<ConnectionHandle>, Fault),
    /// The end of a connection that was sent more than its peer reads.
    Overflow(Arc<ConnectionHandle>),
    /// A timer under an identifier the guest knows already.
    SetTimer(Arc<ConnectionHandle>, TimerId, Duration),
    /// A timer that is no longer wanted.
    ClearTimer(Arc<ConnectionHandle>, TimerId),
    /// A message for one channel.
    LayerSend(ChannelName, Message),
    /// A membership begins.
    GroupAdd(GroupName, ChannelName),
    /// A membership ends.
    GroupDiscard(GroupName, ChannelName),
    /// A message for every member.
    GroupSend(GroupName, Message),
    /// A frame for every member's socket.
    GroupSendFrame(GroupName, Frame),
}

/// Things a guest may ask for in one call; each receiver of a `send-many` counts as one.
pub(crate) const MAX_EFFECTS: usize = 100_000;

/// Members of groups that the messages of one call may be handed to, all together: some tens of milliseconds.
const MAX_FAN_OUT: usize = 1_000_000;

/// The list of one call, bounded.
#[derive(Debug)]
pub(crate) struct Effects {
    list: Vec<Effect>,
    count: usize,
    bytes: usize,
    /// Members of groups that messages are handed to.
    fan_out_count: usize,
    pending_for_groups: QueueLoad,
    /// Bytes of payload one call may ask to send.
    bytes_limit: usize,
}

/// The guest asked for too much in one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EffectLimitExceeded;

impl EffectLimitExceeded {
    pub(crate) const TEXT: &str = "one call may ask for at most 100,000 effects, 1,000,000 deliveries to members of groups, and \
         four times the largest frame, or 16 MiB, of payload";
}

impl Effects {
    pub(crate) fn new(bytes_limit: usize) -> Self {
        Self {
            list: Vec::new(),
            count: 0,
            bytes: 0,
            fan_out_count: 0,
            pending_for_groups: QueueLoad::default(),
            bytes_limit,
        }
    }

    /// Adds an effect that counts as one and carries `bytes` of payload.
    pub(crate) fn push(&mut self, effect: Effect, bytes: usize) -> Result<(), EffectLimitExceeded> {
        self.push_many(effect, 1, bytes)
    }

    /// Adds a message for a group that is handed to so many. The first of a call may be for any group there can be.
    pub(crate) fn push_to_group(
        &mut self,
        effect: Effect,
        members: usize,
        bytes: usize,
    ) -> Result<(), EffectLimitExceeded> {
        if self.fan_out_count > 0 && self.fan_out_count + members > MAX_FAN_OUT {
            return Err(EffectLimitExceeded);
        }
        self.push_many(effect, 1, bytes)?;
        self.fan_out_count += members;
        Ok(())
    }

    /// Adds an effect that counts as `count`.
    pub(crate) fn push_many(
        &mut self,
        effect: Effect,
        count: usize,
        bytes: usize,
    ) -> Result<(), EffectLimitExceeded> {
        if self.count + count > MAX_EFFECTS || self.bytes + bytes > self.bytes_limit {
            return Err(EffectLimitExceeded);
        }
        self.count += count;
        self.bytes += bytes;
        if let Effect::GroupSend(..) | Effect::GroupSendFrame(..) = effect {
            self.pending_for_groups = self.pending_for_groups.with_item(bytes);
        }
        self.list.push(effect);
        Ok(())
    }

    /// What this call has for a channel already.
    pub(crate) fn pending_for(&self, channel: &ChannelName) -> QueueLoad {
        let lengths = self.list.iter().filter_map(|effect| match effect {
            Effect::LayerSend(to, message) if to == channel => Some(message.len()),
            _ => None,
        });
        lengths.fold(QueueLoad::default(), QueueLoad::with_item)
    }

    /// What this call has for groups already.
    pub(crate) fn pending_for_groups(&self) -> QueueLoad {
        self.pending_for_groups
    }

    /// Takes the list, leaving an empty one.
    pub(crate) fn take(&mut self) -> Vec<Effect> {
        self.count = 0;
        self.bytes = 0;
        self.fan_out_count = 0;
        self.pending_for_groups = QueueLoad::default();
        std::mem::take(&mut self.list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to_group(effects: &mut Effects, members: usize) -> Result<(), EffectLimitExceeded> {
        let frame = Frame::Text("x".into());
        let group = GroupName::try_from("all".to_owned()).unwrap();
        effects.push_to_group(Effect::GroupSendFrame(group, frame), members, 1)
    }

    #[test]
    fn the_members_of_all_groups_count_together_but_for_the_first_group() {
        let mut effects = Effects::new(1_000);
        assert_eq!(to_group(&mut effects, 2 * MAX_FAN_OUT), Ok(()));
        assert_eq!(to_group(&mut effects, 1), Err(EffectLimitExceeded));
        assert_eq!(effects.take().len(), 1);
        assert_eq!(to_group(&mut effects, MAX_FAN_OUT - 1), Ok(()));
        assert_eq!(to_group(&mut effects, 1), Ok(()));
        assert_eq!(to_group(&mut effects, 1), Err(EffectLimitExceeded));
    }
}
