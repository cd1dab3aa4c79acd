//! A receiver of which no value is lost.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;
use tokio::sync::oneshot::error::RecvError;

/// Receives one value. Dropping it before that closes the channel: a value that was sent already goes to
/// `on_unreceived`, and a later send returns the value to its sender. So the value always reaches somebody.
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
        if let Ok(value) = self.receiver.try_recv() {
            (self.on_unreceived)(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the values that a dropped receiver passes to `on_unreceived`.
    fn unreceived_values(use_sender: impl FnOnce(oneshot::Sender<u8>)) -> Vec<u8> {
        let mut unreceived = Vec::new();
        let (sender, receiver) = oneshot::channel();
        let guarded = GuardedReceiver::new(receiver, |value| unreceived.push(value));
        use_sender(sender);
        drop(guarded);
        unreceived
    }

    #[test]
    fn dropping_the_receiver_hands_on_a_value_that_was_sent() {
        assert_eq!(unreceived_values(|sender| sender.send(7).unwrap()), [7]);
        assert!(unreceived_values(drop).is_empty());
    }

    #[test]
    fn sending_after_the_drop_returns_the_value_to_its_sender() {
        let (sender, receiver) = oneshot::channel();
        drop(GuardedReceiver::new(receiver, |_: u8| unreachable!("no value was sent")));
        assert_eq!(sender.send(7), Err(7));
    }

    #[tokio::test]
    async fn a_received_value_is_not_handed_on() {
        let (sender, receiver) = oneshot::channel();
        sender.send(7).unwrap();
        let guarded =
            GuardedReceiver::new(receiver, |_: u8| unreachable!("the value was received"));
        assert_eq!(guarded.await, Ok(7));
    }
}
