//! An answer that may be there already.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

/// The answer of a layer: there already, as the memory layer's always is, or to be waited for. The first costs no
/// allocation.
pub enum MaybeReady<'a, T> {
    /// The answer, until it has been taken.
    Ready(Option<T>),
    /// The work that finds the answer.
    Pending(Pin<Box<dyn Future<Output = T> + Send + 'a>>),
    /// Who finds the answer tells it, unless it is lost: then the other says what to answer.
    Reply(oneshot::Receiver<T>, fn() -> T),
}

// Nothing here is pinned in place: the answer is only ever moved out.
impl<T> Unpin for MaybeReady<'_, T> {}

impl<'a, T> MaybeReady<'a, T> {
    /// An answer that is there.
    pub const fn ready(answer: T) -> Self {
        Self::Ready(Some(answer))
    }

    /// An answer to be waited for.
    pub fn pending(work: impl Future<Output = T> + Send + 'a) -> Self {
        Self::Pending(Box::pin(work))
    }

    /// An answer that somebody else finds and tells; `lost` is the answer where nobody does.
    pub const fn from_reply(answer: oneshot::Receiver<T>, lost: fn() -> T) -> Self {
        Self::Reply(answer, lost)
    }

    /// The answer if it is there, for callers that are not asynchronous.
    ///
    /// # Errors
    /// Gives itself back if the answer has to be waited for, or was taken.
    pub fn into_ready(self) -> Result<T, Self> {
        match self {
            Self::Ready(Some(answer)) => Ok(answer),
            other => Err(other),
        }
    }
}

impl<T> Future for MaybeReady<'_, T> {
    type Output = T;

    /// # Panics
    /// When polled after it answered, as [`std::future::Ready`] does.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match &mut *self {
            Self::Ready(answer) => match answer.take() {
                Some(answer) => Poll::Ready(answer),
                None => panic!("an answer was polled after it had been taken"),
            },
            Self::Pending(work) => work.as_mut().poll(cx),
            Self::Reply(answer, lost) => {
                Pin::new(answer).poll(cx).map(|answer| answer.unwrap_or_else(|_| lost()))
            }
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for MaybeReady<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(answer) => f.debug_tuple("Ready").field(answer).finish(),
            Self::Pending(_) | Self::Reply(..) => f.write_str("Pending(..)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_kinds_answer_when_awaited() {
        assert_eq!(MaybeReady::ready(1).await, 1);
        assert_eq!(MaybeReady::pending(async { 2 }).await, 2);
    }

    #[test]
    fn only_a_ready_answer_can_be_had_at_once() {
        assert_eq!(MaybeReady::ready(1).into_ready().unwrap(), 1);
        assert!(MaybeReady::pending(async { 2 }).into_ready().is_err());
    }
}
