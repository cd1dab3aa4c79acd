//! What a guest asked for during one call, to be done after it, in order.

use std::sync::Arc;
use std::time::Duration;

use narrowboat_channels::Pending;
use narrowboat_core::closure::Closure;
use narrowboat_core::fault::Fault;
use narrowboat_core::frame::Frame;
use narrowboat_core::message::Message;
use narrowboat_core::name::{ChannelName, GroupName};
use narrowboat_websocket::connection::{Link, TimerId};

/// One thing a guest asked for.
#[derive(Debug)]
pub enum Effect {
    /// A frame for one socket.
    Send(Arc<Link>, Frame),
    /// One frame for many sockets.
    SendMany(Vec<Arc<Link>>, Frame),
    /// The closing handshake.
    Close(Arc<Link>, Closure),
    /// The end of a connection whose consumer broke the contract.
    Fail(Arc<Link>, Fault),
    /// The end of a connection that was sent more than its peer reads.
    Overflow(Arc<Link>),
    /// A timer under an identifier the guest knows already.
    SetTimer(Arc<Link>, TimerId, Duration),
    /// A timer that is no longer wanted.
    ClearTimer(Arc<Link>, TimerId),
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
pub(super) const MAX_EFFECTS: usize = 100_000;

/// Members of groups that the messages of one call may be handed to, all together: some tens of milliseconds.
const MAX_FAN_OUT: usize = 1_000_000;

/// The list of one call, bounded.
#[derive(Debug)]
pub(super) struct Effects {
    list: Vec<Effect>,
    count: usize,
    bytes: usize,
    /// Members of groups that messages are handed to.
    fan_out: usize,
    for_groups: Pending,
    /// Bytes of payload one call may ask to send.
    max_bytes: usize,
}

/// The guest asked for too much in one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany;

impl TooMany {
    pub(super) const TEXT: &str = "one call may ask for at most 100,000 effects, 1,000,000 deliveries to members of groups, and \
         four times the largest frame, or 16 MiB, of payload";
}

impl Effects {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            list: Vec::new(),
            count: 0,
            bytes: 0,
            fan_out: 0,
            for_groups: Pending::default(),
            max_bytes,
        }
    }

    /// Adds an effect that counts as one and carries `bytes` of payload.
    pub(super) fn push(&mut self, effect: Effect, bytes: usize) -> Result<(), TooMany> {
        self.push_many(effect, 1, bytes)
    }

    /// Adds a message for a group that is handed to so many. The first of a call may be for any group there can be.
    pub(super) fn push_to_group(
        &mut self,
        effect: Effect,
        members: usize,
        bytes: usize,
    ) -> Result<(), TooMany> {
        if self.fan_out > 0 && self.fan_out + members > MAX_FAN_OUT {
            return Err(TooMany);
        }
        self.push_many(effect, 1, bytes)?;
        self.fan_out += members;
        Ok(())
    }

    /// Adds an effect that counts as `count`.
    pub(super) fn push_many(
        &mut self,
        effect: Effect,
        count: usize,
        bytes: usize,
    ) -> Result<(), TooMany> {
        if self.count + count > MAX_EFFECTS || self.bytes + bytes > self.max_bytes {
            return Err(TooMany);
        }
        self.count += count;
        self.bytes += bytes;
        if let Effect::GroupSend(..) | Effect::GroupSendFrame(..) = effect {
            self.for_groups = self.for_groups.and(bytes);
        }
        self.list.push(effect);
        Ok(())
    }

    /// What this call has for a channel already.
    pub(super) fn pending_for(&self, channel: &ChannelName) -> Pending {
        let lengths = self.list.iter().filter_map(|effect| match effect {
            Effect::LayerSend(to, message) if to == channel => Some(message.len()),
            _ => None,
        });
        lengths.fold(Pending::default(), Pending::and)
    }

    /// What this call has for groups already.
    pub(super) fn pending_for_groups(&self) -> Pending {
        self.for_groups
    }

    /// Takes the list, leaving an empty one.
    pub(super) fn take(&mut self) -> Vec<Effect> {
        self.count = 0;
        self.bytes = 0;
        self.fan_out = 0;
        self.for_groups = Pending::default();
        std::mem::take(&mut self.list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to_group(effects: &mut Effects, members: usize) -> Result<(), TooMany> {
        let frame = Frame::Text("x".into());
        let group = GroupName::try_from("all".to_owned()).unwrap();
        effects.push_to_group(Effect::GroupSendFrame(group, frame), members, 1)
    }

    #[test]
    fn the_members_of_all_groups_count_together_but_for_the_first_group() {
        let mut effects = Effects::new(1_000);
        assert_eq!(to_group(&mut effects, 2 * MAX_FAN_OUT), Ok(()));
        assert_eq!(to_group(&mut effects, 1), Err(TooMany));
        assert_eq!(effects.take().len(), 1);
        assert_eq!(to_group(&mut effects, MAX_FAN_OUT - 1), Ok(()));
        assert_eq!(to_group(&mut effects, 1), Ok(()));
        assert_eq!(to_group(&mut effects, 1), Err(TooMany));
    }
}
