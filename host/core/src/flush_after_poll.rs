//! A future whose frames for other connections are written at the end of each of its polls.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::deferred_flush::{FlushList, defer_flushes};

pin_project! {
    /// A future whose frames for other connections are written at the end of each of its polls, which are the wake-ups
    /// of its task. So nothing waits across an await.
    pub struct FlushAfterPoll<F, W> {
        #[pin]
        future: F,
        write: W,
    }
}

impl<F: Future, W: Fn(FlushList)> FlushAfterPoll<F, W> {
    /// Wraps a future. `write` gets the connections that its polls have queued frames for.
    pub fn new(future: F, write: W) -> Self {
        Self { future, write }
    }
}

impl<F: Future, W: Fn(FlushList)> Future for FlushAfterPoll<F, W> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let scope = defer_flushes();
        let result = this.future.poll(cx);
        scope.end(this.write);
        result
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Waker;

    use super::*;
    use crate::deferred_flush::{self, Flush};

    #[derive(Default)]
    struct Counter(AtomicU32);

    impl Flush for Counter {
        fn flush(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn each_poll_flushes_although_the_future_is_pending() {
        let counter = Arc::new(Counter::default());
        let target = Arc::clone(&counter);
        let queue_frames = std::future::poll_fn(move |_| {
            deferred_flush::defer(target.clone());
            Poll::<()>::Pending
        });
        let mut future = std::pin::pin!(FlushAfterPoll::new(queue_frames, FlushList::flush));
        let mut cx = Context::from_waker(Waker::noop());
        for polls in 1..=3 {
            assert!(future.as_mut().poll(&mut cx).is_pending());
            assert_eq!(counter.0.load(Ordering::Relaxed), polls);
        }
    }
}
