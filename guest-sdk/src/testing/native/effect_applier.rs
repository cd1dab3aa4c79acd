//! The effects of a call, and the end of connections.

use super::{
    effect::Effect,
    event_loop::Event,
    native_connection::{ConnectionId, Stage},
    native_host::NativeHost,
    native_layer::Delivery,
    plugin_code::Isolation,
    timer_queue::TimerKind,
};
use crate::{close_frame::CloseFrame, testing::Rejection};

impl NativeHost {
    /// Applies the effects of the call that has returned, in order.
    pub(super) fn apply_effects(&mut self) {
        let effects = std::mem::take(&mut self.state().effects);
        effects.into_iter().for_each(|effect| self.apply(effect));
    }

    fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::Send(id, frame) => {
                let _ = self.with_connection(id, |connection| {
                    if connection.is_present() && connection.close.is_none() {
                        connection.outgoing.push_back(frame);
                    }
                });
            }
            Effect::Close(id, close) => self.close(id, close),
            Effect::Fail(id, fault) => self.fail(id, fault),
            Effect::Accept(id, acceptance) if self.is_undecided(id) => self.accept(id, acceptance),
            Effect::Reject(id, rejection) if self.is_undecided(id) => self.reject(id, rejection),
            // Only the first decision has an effect.
            Effect::Accept(..) | Effect::Reject(..) => {}
            Effect::SetTimer(id, timer, delay) => {
                if self.with_connection(id, |connection| connection.is_present()) == Ok(true) {
                    let at = self.state().elapsed + delay;
                    self.timers.set(at, id, TimerKind::Consumer(timer));
                }
            }
            Effect::ClearTimer(id, timer) => self.timers.clear(id, TimerKind::Consumer(timer)),
            Effect::SetAlarm(room, at) => {
                self.state().rooms.entry(room).or_default().alarm = at;
            }
            Effect::LayerSend(channel, message) => self.queue_message(channel, message),
            Effect::GroupAdd(group, channel) => self.layer.group_add(&group, &channel),
            Effect::GroupDiscard(group, channel) => self.layer.group_discard(&group, &channel),
            Effect::GroupSend(group, message) => {
                self.group_deliver(&group, &Delivery::Message(message));
            }
            Effect::GroupSendFrame(group, frame) => {
                self.group_deliver(&group, &Delivery::Frame(frame));
            }
        }
    }

    /// Queues a message for a channel.
    pub(super) fn queue_message(&mut self, channel: String, message: Vec<u8>) {
        self.events.push_back(Event::Delivery(channel, Delivery::Message(message)));
    }

    /// Queues a message or a frame for each member of a group.
    pub(super) fn group_deliver(&mut self, group: &str, delivery: &Delivery) {
        let members = self.layer.members(group).into_iter();
        self.events.extend(members.map(|member| Event::Delivery(member, delivery.clone())));
    }

    fn is_undecided(&self, id: ConnectionId) -> bool {
        self.with_connection(id, |connection| matches!(connection.stage, Stage::Undecided))
            == Ok(true)
    }

    /// Closes a connection because its plugin has failed.
    pub(super) fn fail(&mut self, id: ConnectionId, fault: String) {
        self.record_fault(fault);
        self.close(id, CloseFrame { code: 1011, reason: "consumer failed".to_owned() });
    }

    /// Closes a connection on the side of the host. The client gets the Close frame after the frames that are queued. If
    /// the handshake is undecided, the client gets a rejection instead.
    pub(super) fn close(&mut self, id: ConnectionId, close: CloseFrame) {
        if self.is_undecided(id) {
            self.call_disconnect(id, &close);
            let rejection = match close.code {
                1011 => Rejection::of_host(500, "the consumer failed"),
                _ => Rejection::of_host(403, "closed before the handshake was accepted"),
            };
            return self.end_rejected(id, rejection);
        }
        let is_first = self.with_connection(id, |connection| {
            connection.is_closing = true;
            let is_first = connection.is_present() && connection.close.is_none();
            if is_first {
                connection.close = Some(close.clone());
            }
            is_first
        });
        if is_first == Ok(true) {
            self.events.push_back(Event::End(id, close));
        }
    }

    /// Ends a handshake that is not accepted.
    pub(super) fn end_rejected(&mut self, id: ConnectionId, rejection: Rejection) {
        self.forget(id, Stage::Rejected(rejection));
    }

    /// Ends a connection: its channel leaves its groups, and an instance of its own ends.
    pub(super) fn forget(&mut self, id: ConnectionId, stage: Stage) {
        let ended = self.with_connection(id, |connection| {
            connection.stage = stage;
            connection.is_closing = true;
            (connection.channel.clone(), connection.instance)
        });
        let Ok((channel, instance)) = ended else { return };
        self.layer.close(&channel);
        self.timers.clear_all_of(id);
        if self.code.isolation == Isolation::Connection {
            self.consumers.remove(&instance);
        }
    }
}
