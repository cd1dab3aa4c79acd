//! A consumer with an instance of its own, as others see it while its session rests.

use std::sync::Arc;

use super::deferred_turn::DeferredTurn;
use super::deferred_turns::defer_turn;
use super::resting_instance::RestingInstance;
use crate::instance_registry::InstanceRegistry;
use crate::member_turn::{MemberTurn, TurnContext};
use narrowboat_channels::{DeliverySink, MailboxDeputy};
use narrowboat_core::frame::Frame;
use narrowboat_runtime::ConnectionId;
use narrowboat_websocket::connection::ConnectionHandle;

/// A consumer with an instance of its own. While its session rests, a message of its channel does not wake the session:
/// the task that sends the message, if it is one of the same plugin, calls the consumer at the end of its wake-up.
///
/// The order stays, because one party reads the mailbox at a time: the session, or the holder of the [`MemberTurn`].
pub(crate) struct RestingMember {
    registry: Arc<InstanceRegistry>,
    instance: Arc<RestingInstance>,
    context: Arc<TurnContext>,
}

impl RestingMember {
    pub(crate) fn new(
        registry: &Arc<InstanceRegistry>,
        instance: &Arc<RestingInstance>,
        control: &Arc<ConnectionHandle>,
        id: ConnectionId,
        mailbox: MailboxDeputy,
    ) -> Self {
        let (plugin, control) = (Arc::clone(&registry.plugin), Arc::clone(control));
        let context = Arc::new(TurnContext { plugin, control, id, mailbox });
        Self { registry: Arc::clone(registry), instance: Arc::clone(instance), context }
    }
}

impl DeliverySink for RestingMember {
    fn try_accept(&self, frame: &Frame) -> bool {
        self.context.control.push_if_idle(frame)
    }

    fn try_take_over(&self) -> bool {
        let Self { registry, instance, context } = self;
        let turn = || DeferredTurn {
            registry: Arc::clone(registry),
            instance: Arc::clone(instance),
            turn: MemberTurn::new(Arc::clone(context)),
        };
        context.control.outbound.is_idle()
            && instance.is_available()
            && defer_turn(&context.plugin, turn)
    }
}
