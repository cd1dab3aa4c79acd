//! How long the imports of one call may wait.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::simulated_wait;
use crate::scheduling::{self, TICK};
use narrowboat_quota::{LimitKind, QuotaChain};
use narrowboat_schedule::WallClock;

/// The time that the imports of one call may wait.
#[derive(Debug)]
pub(crate) struct WaitBudget {
    limit: Duration,
    waited: Duration,
    /// The part of `waited` that has not been taken with [`Self::take_unrecorded`].
    unrecorded: Duration,
    /// Time waited for which no tick has been excluded yet. Each wait adds at most one tick: the tick that comes right
    /// after it.
    excludable: Duration,
    stopping: watch::Receiver<bool>,
    /// Counts calls that exhaust their budget.
    quota: Arc<QuotaChain>,
    clock: WallClock,
}

/// Why a wait ended without a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WaitError {
    /// The operation took too long.
    #[error("no answer in time")]
    Timeout,
    /// All waits of the call together have reached the limit.
    #[error("the waits of this call have taken longer than limits.wait_time")]
    BudgetExhausted,
    /// The host is stopping.
    #[error("the host is stopping")]
    Stopping,
    /// The runtime is not running yet.
    #[error("the host is not serving yet")]
    NoRuntime,
}

impl WaitBudget {
    pub(super) fn new(
        limit: Duration,
        stopping: watch::Receiver<bool>,
        quota: Arc<QuotaChain>,
        clock: WallClock,
    ) -> Self {
        let (waited, unrecorded, excludable) = Default::default();
        Self { limit, waited, unrecorded, excludable, stopping, quota, clock }
    }

    /// Starts a call.
    pub(super) fn begin_call(&mut self) {
        self.waited = Duration::ZERO;
        self.unrecorded = Duration::ZERO;
        self.excludable = Duration::ZERO;
    }

    /// How long the running call has waited.
    pub(crate) fn waited(&self) -> Duration {
        self.waited
    }

    /// Takes the time that the running call has waited since this was last called.
    pub(crate) fn take_unrecorded(&mut self) -> Duration {
        std::mem::take(&mut self.unrecorded)
    }

    /// Excludes a tick from the running time if it can be due to a wait, and returns whether it did. Excludes no more
    /// time than the call has waited.
    pub(crate) fn exclude_tick(&mut self) -> bool {
        let rest = self.excludable.checked_sub(TICK);
        self.excludable = rest.unwrap_or(self.excludable);
        rest.is_some()
    }

    /// Blocks the thread until `work` is ready, for at most `timeout`. Work that is ready at once uses none of the
    /// budget. If the thread is one of the runtime's workers, another thread takes over its tasks meanwhile.
    ///
    /// # Errors
    /// If `work` is not ready in time, or the host is stopping or not serving yet.
    pub(crate) fn block_on<T>(
        &mut self,
        timeout: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, WaitError> {
        let runtime = Handle::try_current().map_err(|_| WaitError::NoRuntime)?;
        // A future that is never polled would not notice that the runtime has stopped.
        if *self.stopping.borrow() {
            return Err(WaitError::Stopping);
        }
        let mut work = pin!(work);
        if let Some(output) = work.as_mut().now_or_never() {
            return Ok(output);
        }
        let left = self.limit.saturating_sub(self.waited);
        let (timeout, error) = match timeout < left {
            true => (timeout, WaitError::Timeout),
            false => (left, WaitError::BudgetExhausted),
        };
        let is_simulated = self.clock.is_simulated();
        let stopping = &mut self.stopping;
        let wait = async {
            let stops = async { stopping.wait_for(|stopping| *stopping).await.is_ok() };
            tokio::select! {
                biased;
                _ = stops => (Err(WaitError::Stopping), Duration::ZERO),
                (output, waited) = async {
                    match is_simulated {
                        true => simulated_wait::wait(timeout, work).await,
                        false => wait_for(timeout, work).await,
                    }
                } => (output.ok_or(error), waited),
            }
        };
        let (result, waited) = scheduling::release_permit_while(&runtime, || {
            tokio::task::block_in_place(|| runtime.block_on(wait))
        });
        self.waited += waited;
        self.unrecorded += waited;
        self.excludable += waited.min(TICK);
        if matches!(result, Err(WaitError::BudgetExhausted)) {
            self.quota.record_limit_hit(LimitKind::WaitTime);
        }
        result
    }
}

/// Waits until `work` is ready, for at most `timeout`. Returns how long it took too.
async fn wait_for<T>(timeout: Duration, work: impl Future<Output = T>) -> (Option<T>, Duration) {
    let started = Instant::now();
    let output = tokio::time::timeout(timeout, work).await.ok();
    (output, started.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    const LONG: Duration = Duration::from_secs(3_600);

    fn run_on_blocking_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async { tokio::task::spawn_blocking(work).await.unwrap() })
    }

    #[test]
    fn the_waits_of_a_call_share_one_budget() {
        let waits = run_on_blocking_thread(|| {
            let (_host, stopping) = watch::channel(false);
            let mut budget = WaitBudget::new(
                Duration::from_millis(30),
                stopping,
                Arc::default(),
                WallClock::default(),
            );
            [
                budget.block_on(LONG, ready(())),
                budget.block_on(Duration::from_millis(5), pending()),
                budget.block_on(LONG, pending()),
                budget.block_on(LONG, pending()),
                budget.block_on(LONG, ready(())),
            ]
        });
        let (timeout, exhausted) = (Err(WaitError::Timeout), Err(WaitError::BudgetExhausted));
        assert_eq!(waits, [Ok(()), timeout, exhausted, exhausted, Ok(())]);
    }

    #[test]
    fn waits_end_when_the_host_stops() {
        let (host, stopping) = watch::channel(false);
        let waits = run_on_blocking_thread(move || {
            let mut budget = WaitBudget::new(LONG, stopping, Arc::default(), WallClock::default());
            std::thread::spawn(move || host.send_replace(true));
            [budget.block_on(LONG, pending()), budget.block_on(LONG, ready(()))]
        });
        assert_eq!(waits, [Err(WaitError::Stopping); 2]);
    }

    #[test]
    fn without_a_runtime_a_wait_fails() {
        let (_host, stopping) = watch::channel(false);
        let mut budget = WaitBudget::new(LONG, stopping, Arc::default(), WallClock::default());
        assert_eq!(budget.block_on(LONG, ready(())), Err(WaitError::NoRuntime));
    }
}
