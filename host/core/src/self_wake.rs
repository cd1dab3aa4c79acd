//! Wake-ups of a task by itself. The task polls again at once: to schedule it would also wake a thread that may steal it.

use std::cell::Cell;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, RawWakerVTable, Waker};

use pin_project_lite::pin_project;

/// Polls in a row, before the task is scheduled behind others.
const MAX_POLLS: u32 = 8;

thread_local! {
    static RUNNING: Cell<Option<RunningTask>> = const { Cell::new(None) };
}

/// A task that a thread polls, by the identity of its waker.
#[derive(Clone, Copy)]
struct RunningTask {
    data: *const (),
    vtable: &'static RawWakerVTable,
    is_woken: bool,
}

/// Registers the task that this thread polls until it is dropped.
struct RunningTaskGuard {
    outer: Option<RunningTask>,
    /// Keeps the guard on its thread.
    thread: PhantomData<*const ()>,
}

pin_project! {
    /// A future that is polled again at once if its poll has woken its own task through [`wake`].
    pub struct PollUntilIdle<F> {
        #[pin]
        future: F,
    }
}

/// Wakes a task. The task that this thread polls within [`PollUntilIdle`] is polled again instead.
pub fn wake(waker: Waker) {
    match RUNNING.get() {
        Some(task) if task.is_woken_by(&waker) => {
            RUNNING.set(Some(RunningTask { is_woken: true, ..task }));
        }
        _ => waker.wake(),
    }
}

impl RunningTask {
    fn is_woken_by(&self, waker: &Waker) -> bool {
        self.data == waker.data() && std::ptr::eq(self.vtable, waker.vtable())
    }
}

impl RunningTaskGuard {
    fn new(waker: &Waker) -> Self {
        let task = RunningTask { data: waker.data(), vtable: waker.vtable(), is_woken: false };
        Self { outer: RUNNING.replace(Some(task)), thread: PhantomData }
    }

    /// Whether the task was woken since the last call.
    fn take_wake(&self) -> bool {
        let Some(task) = RUNNING.get() else { return false };
        RUNNING.set(Some(RunningTask { is_woken: false, ..task }));
        task.is_woken
    }
}

impl Drop for RunningTaskGuard {
    fn drop(&mut self) {
        RUNNING.set(self.outer);
    }
}

impl<F> PollUntilIdle<F> {
    /// Wraps a future.
    pub fn new(future: F) -> Self {
        Self { future }
    }
}

impl<F: Future> Future for PollUntilIdle<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut future = self.project().future;
        let running = RunningTaskGuard::new(cx.waker());
        for _ in 0..MAX_POLLS {
            let result = future.as_mut().poll(cx);
            if result.is_ready() || !running.take_wake() {
                return result;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;

    use super::*;
    use crate::wake_counter::WakeCounter;

    /// Polls a future that wakes its own task in the first `wakes` polls. Returns its polls, and the wake-ups of the task.
    fn poll_once(wakes: u32) -> (u32, u32) {
        let (counter, mut polls) = (Arc::new(WakeCounter::default()), 0);
        let waker = Waker::from(Arc::clone(&counter));
        let future = std::future::poll_fn(|cx| {
            polls += 1;
            if polls <= wakes {
                wake(cx.waker().clone());
            }
            Poll::<()>::Pending
        });
        let mut future = pin!(PollUntilIdle::new(future));
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        (polls, counter.count())
    }

    #[test]
    fn a_task_that_wakes_itself_is_polled_again_without_a_wake_up() {
        assert_eq!([0, 1, 3].map(poll_once), [(1, 0), (2, 0), (4, 0)]);
    }

    #[test]
    fn a_task_that_keeps_waking_itself_is_scheduled_behind_others() {
        assert_eq!(poll_once(u32::MAX), (MAX_POLLS, 1));
    }

    #[test]
    fn other_tasks_and_tasks_that_do_not_run_are_woken() {
        let (own, other) = (Arc::new(WakeCounter::default()), Arc::new(WakeCounter::default()));
        let (waker, other_waker) = (Waker::from(own.clone()), Waker::from(other.clone()));
        let mut future = pin!(PollUntilIdle::new(std::future::poll_fn(|_| {
            wake(other_waker.clone());
            Poll::<()>::Pending
        })));
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!((own.count(), other.count()), (0, 1));
        wake(waker);
        assert_eq!(own.count(), 1);
    }
}
