//! What becomes of a consumer that has accepted its connection when whoever was to run it has gone: a handshake that
//! ended at an await, a session that panicked.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::RecvError;

use super::join::Permits;
use super::roster::Roster;
use super::seat::{Called, Seat, wait};
use narrowboat_core::closure::Closure;
use narrowboat_core::fault::{Fault, GuestFault};
use narrowboat_runtime::{Call, ConnectionId, Instance, Returned};
use narrowboat_websocket::connection::Link;

/// What has to be known of a connection to tell its consumer that it is over.
#[derive(Clone)]
pub(super) struct Abandoned {
    pub(super) roster: Arc<Roster>,
    pub(super) link: Arc<Link>,
    /// Held until the consumer has been told.
    pub(super) permits: Arc<Permits>,
}

impl Abandoned {
    /// Calls the consumer's `disconnect` with 1006, on a task of its own, since a drop cannot wait. Without a runtime
    /// the host has ended, and the consumer with it.
    pub(super) fn disconnect(self, mut seat: Seat, id: ConnectionId) {
        let closure = Closure::abnormal();
        self.link.outbound.close(closure.clone());
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            disconnect(&self.roster, &self.link, &mut seat, id, closure).await;
            drop(self.permits);
        });
    }

    /// The same for the answer of an instance of the connection's own. What the guest asked for is done first.
    pub(super) fn undo(self, (called, instance): (Called, Option<Box<Instance>>)) {
        self.roster.outlet().apply(called.effects);
        if let Ok(Returned::Accepted(id, _)) = called.answer {
            let seat = Seat::Own(Arc::clone(&self.roster.plugin), instance);
            self.disconnect(seat, id);
        }
    }
}

/// Tells a consumer, if it still lives, that its connection is over.
pub(super) async fn disconnect(
    roster: &Roster,
    link: &Link,
    seat: &mut Seat,
    id: ConnectionId,
    closure: Closure,
) {
    let calling = seat.call(Call::Disconnect(id, closure));
    let called = wait(seat, calling).await;
    if let Err(fault) = called.answer
        && fault != GuestFault::InstanceGone
    {
        let live = || roster.plugin.live();
        let version = seat.version().cloned().unwrap_or_else(live);
        let version = version.digest().short();
        Fault::Guest(fault).log(&roster.plugin.label, link.channel.as_str(), &version);
    }
    roster.outlet().apply(called.effects);
}

/// Waits for an answer. One that has been sent and is not received when this is dropped goes to `unreceived`; one that
/// is sent later comes back to its sender. So no answer is lost.
pub(super) struct Receiving<T, F: FnMut(T)> {
    answered: oneshot::Receiver<T>,
    unreceived: F,
}

impl<T, F: FnMut(T)> Receiving<T, F> {
    pub(super) fn new(answered: oneshot::Receiver<T>, unreceived: F) -> Self {
        Self { answered, unreceived }
    }
}

impl<T, F: FnMut(T) + Unpin> Future for Receiving<T, F> {
    type Output = Result<T, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answered).poll(cx)
    }
}

impl<T, F: FnMut(T)> Drop for Receiving<T, F> {
    fn drop(&mut self) {
        self.answered.close();
        if let Ok(answer) = self.answered.try_recv() {
            (self.unreceived)(answer);
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
        let receiving = Receiving::new(answered, |answer| unreceived.push(answer));
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
        drop(Receiving::new(answered, |_: u8| unreachable!("nothing was sent")));
        assert_eq!(to.send(7), Err(7));
    }

    #[tokio::test]
    async fn an_answer_that_was_received_is_not_handed_on() {
        let (to, answered) = oneshot::channel();
        to.send(7).unwrap();
        let receiving = Receiving::new(answered, |_: u8| unreachable!("it was received"));
        assert_eq!(receiving.await, Ok(7));
    }
}
