//! A result that may be ready already.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

/// The result of a layer's operation, which may be ready already, as the memory layer's always is. A ready result costs
/// no allocation.
pub enum MaybeReady<'a, T> {
    /// The result, until it is taken.
    Ready(Option<T>),
    /// The future that computes the result.
    Pending(Pin<Box<dyn Future<Output = T> + Send + 'a>>),
    /// Another task sends the result. If it drops the sender, the function returns the result.
    Reply(oneshot::Receiver<T>, fn() -> T),
}

// Nothing here is pinned in place: the result is only ever moved out.
impl<T> Unpin for MaybeReady<'_, T> {}

impl<'a, T> MaybeReady<'a, T> {
    /// Returns a result that is ready.
    pub const fn ready(result: T) -> Self {
        Self::Ready(Some(result))
    }

    /// Returns a result that a future computes.
    pub fn pending(future: impl Future<Output = T> + Send + 'a) -> Self {
        Self::Pending(Box::pin(future))
    }

    /// Returns a result that another task sends. `lost` makes the result if that task drops the sender.
    pub const fn from_reply(reply: oneshot::Receiver<T>, lost: fn() -> T) -> Self {
        Self::Reply(reply, lost)
    }

    /// Returns the result if it is ready, for callers that are not asynchronous.
    ///
    /// # Errors
    /// Returns itself if the result is not ready, or was taken.
    pub fn into_ready(self) -> Result<T, Self> {
        match self {
            Self::Ready(Some(result)) => Ok(result),
            other => Err(other),
        }
    }
}

impl<T> Future for MaybeReady<'_, T> {
    type Output = T;

    /// # Panics
    /// If polled after completion, as [`std::future::Ready`] does.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match &mut *self {
            Self::Ready(result) => match result.take() {
                Some(result) => Poll::Ready(result),
                None => panic!("a MaybeReady was polled after completion"),
            },
            Self::Pending(future) => future.as_mut().poll(cx),
            Self::Reply(reply, lost) => {
                Pin::new(reply).poll(cx).map(|result| result.unwrap_or_else(|_| lost()))
            }
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for MaybeReady<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(result) => f.debug_tuple("Ready").field(result).finish(),
            Self::Pending(_) | Self::Reply(..) => f.write_str("Pending(..)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ready_and_pending_results_can_be_awaited() {
        assert_eq!(MaybeReady::ready(1).await, 1);
        assert_eq!(MaybeReady::pending(async { 2 }).await, 2);
    }

    #[test]
    fn into_ready_returns_only_a_ready_result() {
        assert_eq!(MaybeReady::ready(1).into_ready().unwrap(), 1);
        assert!(MaybeReady::pending(async { 2 }).into_ready().is_err());
    }
}
