//! How long the imports of one call may wait.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::scheduling::{self, TICK};
use narrowboat_quota::{LimitKind, QuotaChain};

/// How long the running call may still wait.
#[derive(Debug)]
pub(crate) struct WaitBudget {
    limit: Duration,
    waited: Duration,
    /// What of it no tick has been forgiven for yet: of each wait no more than the one tick that finds it ended.
    excludable: Duration,
    stopping: watch::Receiver<bool>,
    /// Told when a call may wait no longer.
    quota: Arc<QuotaChain>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WaitError {
    /// It took too long.
    #[error("no answer in time")]
    Timeout,
    /// The call has waited for as long as one may, all its waits together.
    #[error("this call has waited for as long as it may (limits.wait_time)")]
    BudgetExhausted,
    /// There is nothing that could answer any more.
    #[error("the host stops")]
    Stopping,
    /// There is nothing that could answer yet.
    #[error("the host does not serve yet")]
    NoRuntime,
}

impl WaitBudget {
    pub(super) fn new(
        limit: Duration,
        stopping: watch::Receiver<bool>,
        quota: Arc<QuotaChain>,
    ) -> Self {
        let (waited, excludable) = (Duration::ZERO, Duration::ZERO);
        Self { limit, waited, excludable, stopping, quota }
    }

    /// Starts a call.
    pub(super) fn begin_call(&mut self) {
        self.waited = Duration::ZERO;
        self.excludable = Duration::ZERO;
    }

    /// How long the running call has waited.
    pub(crate) fn waited(&self) -> Duration {
        self.waited
    }

    /// Whether a tick that finds the guest running is for its waits: for no more of them than it has waited.
    pub(crate) fn exclude_tick(&mut self) -> bool {
        let rest = self.excludable.checked_sub(TICK);
        self.excludable = rest.unwrap_or(self.excludable);
        rest.is_some()
    }

    /// Holds the guest's thread until there is an answer, for `most` of the time. What is ready at once costs nothing.
    pub(crate) fn block_on<T>(
        &mut self,
        most: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, WaitError> {
        let runtime = Handle::try_current().map_err(|_| WaitError::NoRuntime)?;
        // What is not asked cannot find out that the runtime has ended.
        if *self.stopping.borrow() {
            return Err(WaitError::Stopping);
        }
        let mut work = pin!(work);
        if let Some(answer) = work.as_mut().now_or_never() {
            return Ok(answer);
        }
        let left = self.limit.saturating_sub(self.waited);
        let (time, late) = match most < left {
            true => (most, WaitError::Timeout),
            false => (left, WaitError::BudgetExhausted),
        };
        let began = Instant::now();
        let halted = &mut self.stopping;
        let answer = scheduling::release_permit_while(&runtime, || {
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    _ = halted.wait_for(|halted| *halted) => Err(WaitError::Stopping),
                    answer = tokio::time::timeout(time, work) => answer.map_err(|_| late),
                }
            })
        });
        let waited = began.elapsed();
        self.waited += waited;
        self.excludable += waited.min(TICK);
        if matches!(answer, Err(WaitError::BudgetExhausted)) {
            self.quota.record_limit_hit(LimitKind::WaitTime);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    const LONG: Duration = Duration::from_secs(3_600);

    fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async { tokio::task::spawn_blocking(work).await.unwrap() })
    }

    #[test]
    fn a_call_waits_so_long_and_no_longer() {
        let waits = on_a_thread(|| {
            let (_host, halted) = watch::channel(false);
            let mut patience = WaitBudget::new(Duration::from_millis(30), halted, Arc::default());
            [
                patience.block_on(LONG, ready(())),
                patience.block_on(Duration::from_millis(5), pending()),
                patience.block_on(LONG, pending()),
                patience.block_on(LONG, pending()),
                patience.block_on(LONG, ready(())),
            ]
        });
        let (late, over) = (Err(WaitError::Timeout), Err(WaitError::BudgetExhausted));
        assert_eq!(waits, [Ok(()), late, over, over, Ok(())]);
    }

    #[test]
    fn when_the_host_stops_nobody_waits_any_more() {
        let (host, halted) = watch::channel(false);
        let waits = on_a_thread(move || {
            let mut patience = WaitBudget::new(LONG, halted, Arc::default());
            std::thread::spawn(move || host.send_replace(true));
            [patience.block_on(LONG, pending()), patience.block_on(LONG, ready(()))]
        });
        assert_eq!(waits, [Err(WaitError::Stopping); 2]);
    }

    #[test]
    fn without_a_runtime_there_is_nothing_to_wait_for() {
        let (_host, halted) = watch::channel(false);
        let mut patience = WaitBudget::new(LONG, halted, Arc::default());
        assert_eq!(patience.block_on(LONG, ready(())), Err(WaitError::NoRuntime));
    }
}
