//! What a guest holds of the world beyond its host, and how long its calls may wait for it.
//!
//! Such a guest is called on guest threads alone, so that an import may hold its thread until there is an answer.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::watch;
use wasmtime::component::ResourceTable;
use wasmtime_wasi_http::WasiHttpCtx;

use super::http_hooks::GuestHttpHooks;
use crate::scheduling;
use crate::scheduling::TICK;
use narrowboat_core::capabilities::Capabilities;
use narrowboat_egress::Egress;
use narrowboat_keyvalue::KeyvalueStore;
use narrowboat_quota::{LimitKind, QuotaChain};

/// Things that a guest may hold at a time: buckets, requests, bodies, streams.
const MAX_RESOURCES: usize = 64;

/// Bytes of the header fields of one request, names and values.
const MAX_HEADER_FIELD_BYTES: usize = 32 * 1024;

/// What there is beyond the host, for the instances of a version.
pub(crate) struct HostServices {
    pub(crate) keyvalue: Arc<KeyvalueStore>,
    pub(crate) egress: Arc<Egress>,
    /// All that the version may.
    pub(crate) capabilities: Capabilities,
    /// How much its plugin may.
    pub(crate) quota: Arc<QuotaChain>,
    /// When nobody is to wait any more.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// What a guest holds of the world beyond its host.
pub(crate) struct WasiState {
    pub(crate) services: Arc<HostServices>,
    pub(crate) table: ResourceTable,
    pub(crate) http_ctx: WasiHttpCtx,
    pub(crate) http_hooks: GuestHttpHooks,
    pub(crate) wait_budget: WaitBudget,
    /// Why the running call may change nothing out there, if it may not.
    pub(crate) suppressed: Option<SuppressReason>,
}

/// Why a call may change nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SuppressReason {
    /// The instance is thrown away afterwards.
    Trial,
    /// State is saved, perhaps more than once.
    Snapshot,
}

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

impl WasiState {
    pub(crate) fn new(services: Arc<HostServices>, wait_time: Duration) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_RESOURCES);
        let mut http_ctx = WasiHttpCtx::new();
        http_ctx.set_field_size_limit(MAX_HEADER_FIELD_BYTES);
        let http_hooks = GuestHttpHooks::new(Arc::clone(&services));
        let allowance = Arc::clone(&services.quota);
        let wait_budget = WaitBudget::new(wait_time, services.stopping.clone(), allowance);
        Self { services, table, http_ctx, http_hooks, wait_budget, suppressed: None }
    }

    /// A call begins.
    pub(crate) fn begin_call(&mut self) {
        self.wait_budget.waited = Duration::ZERO;
        self.wait_budget.excludable = Duration::ZERO;
        self.http_hooks.begin_call();
    }
}

impl SuppressReason {
    /// What the guest is told.
    pub(crate) const fn message(self) -> &'static str {
        match self {
            Self::Trial => "a version is on trial; nothing is written or sent",
            Self::Snapshot => "state is being saved; nothing is written or sent",
        }
    }
}

impl WaitBudget {
    fn new(limit: Duration, stopping: watch::Receiver<bool>, quota: Arc<QuotaChain>) -> Self {
        let (waited, excludable) = (Duration::ZERO, Duration::ZERO);
        Self { limit, waited, excludable, stopping, quota }
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
