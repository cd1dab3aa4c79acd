//! The requests of a guest during one call. The host carries them out after the call, in order.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use crate::store::RoomLink;
use narrowboat_channels::QueueLoad;
use narrowboat_core::alarm_time::AlarmTime;
use narrowboat_core::close_frame::CloseFrame;
use narrowboat_core::fault::Fault;
use narrowboat_core::frame::Frame;
use narrowboat_core::handshake_response::{Acceptance, Rejection};
use narrowboat_core::message::Message;
use narrowboat_core::name::{ChannelName, GroupName};
use narrowboat_websocket::connection::{ConnectionHandle, TimerId};

/// One request of a guest.
#[derive(Debug)]
pub enum Effect {
    /// A frame for one socket.
    Send(Arc<ConnectionHandle>, Frame),
    /// One frame for many sockets.
    SendMany(Vec<Arc<ConnectionHandle>>, Frame),
    /// The closing handshake.
    Close(Arc<ConnectionHandle>, CloseFrame),
    /// The end of a connection with a fault.
    Fail(Arc<ConnectionHandle>, Fault),
    /// The end of a connection whose client does not read as much as it is sent.
    Overflow(Arc<ConnectionHandle>),
    /// The acceptance of a handshake that `connect` left open.
    Accept(Arc<ConnectionHandle>, Acceptance),
    /// The rejection of a handshake that `connect` left open.
    Reject(Arc<ConnectionHandle>, Rejection),
    /// The right of a consumer to decide about its connection again: it was restarted and decides later.
    ReopenHandshake(Arc<ConnectionHandle>),
    /// A new timer, under the identifier that the guest has got.
    SetTimer(Arc<ConnectionHandle>, TimerId, Duration),
    /// The end of a timer before it expires.
    ClearTimer(Arc<ConnectionHandle>, TimerId),
    /// A new time for the alarm of the room, or none.
    SetAlarm(Arc<RoomLink>, Option<AlarmTime>),
    /// A message for one channel.
    LayerSend(ChannelName, Message),
    /// Adds a channel to a group.
    GroupAdd(GroupName, ChannelName),
    /// Removes a channel from a group.
    GroupDiscard(GroupName, ChannelName),
    /// A message for every member of a group.
    GroupSend(GroupName, Message),
    /// A frame for the socket of every member of a group.
    GroupSendFrame(GroupName, Frame),
}

/// The largest number of effects in one call. Each receiver of a `send-many` counts as one effect.
pub(crate) const MAX_EFFECTS: usize = 100_000;

/// The largest number of deliveries to group members in one call, all groups together. They take some tens of
/// milliseconds.
const MAX_FAN_OUT: usize = 1_000_000;

/// The effects of one call, up to a limit.
#[derive(Debug)]
pub(crate) struct Effects {
    list: Vec<Effect>,
    count: usize,
    bytes: usize,
    /// Deliveries to members of groups.
    fan_out_count: usize,
    pending_for_groups: QueueLoad,
    /// The largest payload of one event, in bytes.
    bytes_limit: usize,
    /// The effects of the events that have ended.
    ended: EndedEffects,
}

/// The effects of the events of a batch that have ended.
#[derive(Debug, Default)]
struct EndedEffects {
    /// The length of the list.
    len: usize,
    count: usize,
    bytes: usize,
    /// Deliveries to members of groups.
    fan_out_count: usize,
}

/// The effects after which a batch of events ends.
const MAX_BATCH_EFFECTS: usize = 64;

/// The payload after which a batch of events ends, in bytes.
const MAX_BATCH_BYTES: usize = 16 * 1024;

/// The deliveries to members of groups after which a batch of events ends.
const MAX_BATCH_FAN_OUT: usize = 1_024;

/// The largest capacity of a list that a thread keeps.
const MAX_RETAINED_CAPACITY: usize = 64;

thread_local! {
    /// An empty list for the next call of this thread. An idle instance has no list of its own.
    static SPARE_LIST: Cell<Vec<Effect>> = const { Cell::new(Vec::new()) };
}

/// Keeps the memory of a list of effects for the next call of this thread. Drops the effects in it.
pub fn recycle_effects(mut effects: Vec<Effect>) {
    effects.clear();
    if effects.capacity() <= MAX_RETAINED_CAPACITY {
        SPARE_LIST.set(effects);
    }
}

/// The call has too many effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EffectLimitExceeded;

impl EffectLimitExceeded {
    pub(crate) const TEXT: &str = "one call may have at most 100,000 effects, 1,000,000 deliveries to members of groups, and \
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
            ended: EndedEffects::default(),
        }
    }

    /// Adds an effect that counts as one and has a payload of `bytes`.
    pub(crate) fn push(&mut self, effect: Effect, bytes: usize) -> Result<(), EffectLimitExceeded> {
        self.push_many(effect, 1, bytes)
    }

    /// Adds a message for a group with this number of `members`. The first message of a call may go to a group of any
    /// size.
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
        if self.list.capacity() == 0 {
            self.list = SPARE_LIST.take();
        }
        self.list.push(effect);
        Ok(())
    }

    /// Adds an effect of the host before those of the call.
    pub(crate) fn prepend(&mut self, effect: Effect) {
        self.list.insert(0, effect);
    }

    /// Adds an effect of the host after those of the call.
    pub(crate) fn append(&mut self, effect: Effect) {
        self.list.push(effect);
    }

    /// The messages that the call has queued for a channel.
    pub(crate) fn pending_for(&self, channel: &ChannelName) -> QueueLoad {
        let lengths = self.list.iter().filter_map(|effect| match effect {
            Effect::LayerSend(to, message) if to == channel => Some(message.len()),
            _ => None,
        });
        lengths.fold(QueueLoad::default(), QueueLoad::with_item)
    }

    /// The messages that the call has queued for groups.
    pub(crate) fn pending_for_groups(&self) -> QueueLoad {
        self.pending_for_groups
    }

    /// Ends an event: its effects take place, also if a later event of the call traps.
    pub(crate) fn end_event(&mut self) {
        self.ended = EndedEffects {
            len: self.list.len(),
            count: self.ended.count + self.count,
            bytes: self.ended.bytes + self.bytes,
            fan_out_count: self.ended.fan_out_count + self.fan_out_count,
        };
        self.reset_counts();
    }

    /// Whether another event of the batch may follow: the effects leave room for those of that event, and have not changed
    /// timers, which are counted against their limit only when they are applied.
    pub(crate) fn has_room_for_event(&self) -> bool {
        let changes_timers =
            |effect: &Effect| matches!(effect, Effect::SetTimer(..) | Effect::ClearTimer(..));
        self.ended.count + self.count < MAX_BATCH_EFFECTS
            && !self.list[self.ended.len..].iter().any(changes_timers)
            && self.ended.bytes + self.bytes < MAX_BATCH_BYTES
            && self.ended.fan_out_count + self.fan_out_count < MAX_BATCH_FAN_OUT
    }

    /// Drops the effects of the event that has not ended, because it trapped.
    pub(crate) fn drop_unended(&mut self) {
        self.list.truncate(self.ended.len);
        self.reset_counts();
    }

    /// Takes all effects, so that the next call starts with none.
    pub(crate) fn take(&mut self) -> Vec<Effect> {
        self.reset_counts();
        self.ended = EndedEffects::default();
        self.pending_for_groups = QueueLoad::default();
        std::mem::take(&mut self.list)
    }

    fn reset_counts(&mut self) {
        self.count = 0;
        self.bytes = 0;
        self.fan_out_count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push_to_group(effects: &mut Effects, members: usize) -> Result<(), EffectLimitExceeded> {
        let frame = Frame::Text("x".into());
        let group = GroupName::try_from("all".to_owned()).unwrap();
        effects.push_to_group(Effect::GroupSendFrame(group, frame), members, 1)
    }

    #[test]
    fn deliveries_to_all_groups_count_together_but_the_first_group_may_be_of_any_size() {
        let mut effects = Effects::new(1_000);
        assert_eq!(push_to_group(&mut effects, 2 * MAX_FAN_OUT), Ok(()));
        assert_eq!(push_to_group(&mut effects, 1), Err(EffectLimitExceeded));
        assert_eq!(effects.take().len(), 1);
        assert_eq!(push_to_group(&mut effects, MAX_FAN_OUT - 1), Ok(()));
        assert_eq!(push_to_group(&mut effects, 1), Ok(()));
        assert_eq!(push_to_group(&mut effects, 1), Err(EffectLimitExceeded));
    }
}
