//! A member of a shared instance.

use std::sync::Arc;

use super::shared_instance::SharedInstance;
use crate::member_turn::{MemberTurn, TurnContext};
use narrowboat_channels::{DeliverySink, MailboxDeputy};
use narrowboat_core::frame::Frame;
use narrowboat_runtime::{ConnectionId, Plugin};
use narrowboat_websocket::connection::ConnectionHandle;

/// A consumer in a shared instance. While its session rests, messages of its channel do not wake the session: whoever is
/// in the instance reads the mailbox and calls the consumer.
///
/// The order stays, because one party reads the mailbox at a time: the session, or the holder of the [`MemberTurn`].
pub(crate) struct SharedMember {
    instance: SharedInstance,
    turn_context: Arc<TurnContext>,
}

impl SharedMember {
    pub(crate) fn new(
        instance: &SharedInstance,
        plugin: &Arc<Plugin>,
        control: &Arc<ConnectionHandle>,
        id: ConnectionId,
        mailbox: MailboxDeputy,
    ) -> Self {
        let (plugin, control) = (Arc::clone(plugin), Arc::clone(control));
        let turn_context = Arc::new(TurnContext { plugin, control, id, mailbox });
        Self { instance: instance.clone(), turn_context }
    }
}

impl DeliverySink for SharedMember {
    fn try_accept(&self, frame: &Frame) -> bool {
        self.turn_context.control.push_if_idle(frame)
    }

    fn try_take_over(&self) -> bool {
        let turn = || MemberTurn::new(Arc::clone(&self.turn_context));
        self.turn_context.control.outbound.is_idle() && self.instance.queue_turn(turn)
    }
}
