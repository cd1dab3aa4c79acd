//! What becomes of a consumer that has accepted its connection when whoever was to run it has gone: a handshake that
//! ended at an await, a session that panicked.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::RecvError;

use super::connect::Permits;
use super::instance_binding::{CallOutcome, InstanceBinding, await_call};
use super::instance_registry::InstanceRegistry;
use narrowboat_core::close_frame::CloseFrame;
use narrowboat_core::fault::{Fault, GuestFault};
use narrowboat_runtime::{Call, ConnectionId, GuestReply, Instance};
use narrowboat_websocket::connection::ConnectionHandle;

/// What has to be known of a connection to tell its consumer that it is over.
#[derive(Clone)]
pub(super) struct DisconnectContext {
    pub(super) registry: Arc<InstanceRegistry>,
    pub(super) control: Arc<ConnectionHandle>,
    /// Held until the consumer has been told.
    pub(super) permits: Arc<Permits>,
}

impl DisconnectContext {
    /// Calls the consumer's `disconnect` with 1006, on a task of its own, since a drop cannot wait. Without a runtime
    /// the host has ended, and the consumer with it.
    pub(super) fn disconnect(self, mut seat: InstanceBinding, id: ConnectionId) {
        let closure = CloseFrame::abnormal();
        self.control.outbound.close(closure.clone());
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            disconnect(&self.registry, &self.control, &mut seat, id, closure).await;
            drop(self.permits);
        });
    }

    /// The same for the answer of an instance of the connection's own. What the guest asked for is done first.
    pub(super) fn undo_connect(self, (called, instance): (CallOutcome, Option<Box<Instance>>)) {
        self.registry.effect_applier().apply(called.effects);
        if let Ok(GuestReply::Accepted(id, _)) = called.result {
            let seat = InstanceBinding::Dedicated(Arc::clone(&self.registry.plugin), instance);
            self.disconnect(seat, id);
        }
    }
}

/// Tells a consumer, if it still lives, that its connection is over.
pub(super) async fn disconnect(
    roster: &InstanceRegistry,
    link: &ConnectionHandle,
    seat: &mut InstanceBinding,
    id: ConnectionId,
    closure: CloseFrame,
) {
    let calling = seat.call(Call::Disconnect(id, closure));
    let called = await_call(seat, calling).await;
    if let Err(fault) = called.result
        && fault != GuestFault::SharedInstanceFailed
    {
        let live = || roster.plugin.live_version();
        let version = seat.version().cloned().unwrap_or_else(live);
        let version = version.digest().short_hex();
        Fault::Guest(fault).log(&roster.plugin.label, link.channel.as_str(), &version);
    }
    roster.effect_applier().apply(called.effects);
}

/// Waits for an answer. One that has been sent and is not received when this is dropped goes to `unreceived`; one that
/// is sent later comes back to its sender. So no answer is lost.
pub(super) struct GuardedReceiver<T, F: FnMut(T)> {
    receiver: oneshot::Receiver<T>,
    on_unreceived: F,
}

impl<T, F: FnMut(T)> GuardedReceiver<T, F> {
    pub(super) fn new(receiver: oneshot::Receiver<T>, on_unreceived: F) -> Self {
        Self { receiver, on_unreceived }
    }
}

impl<T, F: FnMut(T) + Unpin> Future for GuardedReceiver<T, F> {
    type Output = Result<T, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.receiver).poll(cx)
    }
}

impl<T, F: FnMut(T)> Drop for GuardedReceiver<T, F> {
    fn drop(&mut self) {
        self.receiver.close();
        if let Ok(answer) = self.receiver.try_recv() {
            (self.on_unreceived)(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a dropped `Receiving` handed to `unreceived`.
    fn dropped(prepare: impl FnOnce(oneshot::Sender<u8>)) -> Vec<u8> {
        let mut unreceived = Vec::new();
        let (to, answered) = oneshot::channel();
        let receiving = GuardedReceiver::new(answered, |answer| unreceived.push(answer));
        prepare(to);
        drop(receiving);
        unreceived
    }

    #[test]
    fn an_answer_that_was_sent_and_not_received_is_handed_on() {
        assert_eq!(dropped(|to| to.send(7).unwrap()), [7]);
        assert!(dropped(drop).is_empty());
    }

    #[test]
    fn an_answer_that_is_sent_too_late_stays_with_its_sender() {
        let (to, answered) = oneshot::channel();
        drop(GuardedReceiver::new(answered, |_: u8| unreachable!("nothing was sent")));
        assert_eq!(to.send(7), Err(7));
    }

    #[tokio::test]
    async fn an_answer_that_was_received_is_not_handed_on() {
        let (to, answered) = oneshot::channel();
        to.send(7).unwrap();
        let receiving = GuardedReceiver::new(answered, |_: u8| unreachable!("it was received"));
        assert_eq!(receiving.await, Ok(7));
    }
}
