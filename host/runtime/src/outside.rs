//! What a guest holds of the world beyond its host, and how long its calls may wait for it.
//!
//! Such a guest is called on guest threads alone, so that an import may hold its thread until there is an answer.

mod requests;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::watch;
use wasmtime::component::ResourceTable;
use wasmtime_wasi_http::WasiHttpCtx;

use super::lane;
use super::ticker::TICK;
use narrowboat_core::capabilities::Capabilities;
use narrowboat_egress::Egress;
use narrowboat_keyvalue::Keyvalue;
use narrowboat_quota::{Allowance, Bound};

pub(super) use requests::Requests;

/// Things that a guest may hold at a time: buckets, requests, bodies, streams.
const MOST_HELD: usize = 64;

/// Bytes of the header fields of one request, names and values.
const FIELDS: usize = 32 * 1024;

/// What there is beyond the host, for the instances of a version.
pub(super) struct Beyond {
    pub(super) keyvalue: Arc<Keyvalue>,
    pub(super) egress: Arc<Egress>,
    /// All that the version may.
    pub(super) asks: Capabilities,
    /// How much its plugin may.
    pub(super) allowance: Arc<Allowance>,
    /// When nobody is to wait any more.
    pub(super) halted: watch::Receiver<bool>,
}

/// What a guest holds of the world beyond its host.
pub(super) struct Outside {
    pub(super) beyond: Arc<Beyond>,
    pub(super) table: ResourceTable,
    pub(super) http: WasiHttpCtx,
    pub(super) requests: Requests,
    pub(super) patience: Patience,
    /// Why the running call may change nothing out there, if it may not.
    pub(super) hushed: Option<Hush>,
}

/// Why a call may change nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hush {
    /// The instance is thrown away afterwards.
    Trial,
    /// State is saved, perhaps more than once.
    Saving,
}

/// How long the running call may still wait.
#[derive(Debug)]
pub(super) struct Patience {
    limit: Duration,
    waited: Duration,
    /// What of it no tick has been forgiven for yet: of each wait no more than the one tick that finds it ended.
    unforgiven: Duration,
    halted: watch::Receiver<bool>,
    /// Told when a call may wait no longer.
    allowance: Arc<Allowance>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoAnswer {
    /// It took too long.
    #[error("no answer in time")]
    TooLong,
    /// The call has waited for as long as one may, all its waits together.
    #[error("this call has waited for as long as it may (limits.wait_time)")]
    NoPatience,
    /// There is nothing that could answer any more.
    #[error("the host stops")]
    Halted,
    /// There is nothing that could answer yet.
    #[error("the host does not serve yet")]
    NoRuntime,
}

impl Outside {
    pub(super) fn new(beyond: Arc<Beyond>, wait_time: Duration) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MOST_HELD);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(FIELDS);
        let requests = Requests::new(Arc::clone(&beyond));
        let allowance = Arc::clone(&beyond.allowance);
        let patience = Patience::new(wait_time, beyond.halted.clone(), allowance);
        Self { beyond, table, http, requests, patience, hushed: None }
    }

    /// A call begins.
    pub(super) fn begin(&mut self) {
        self.patience.waited = Duration::ZERO;
        self.patience.unforgiven = Duration::ZERO;
        self.requests.begin();
    }
}

impl Hush {
    /// What the guest is told.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Trial => "a version is on trial; nothing is written or sent",
            Self::Saving => "state is being saved; nothing is written or sent",
        }
    }
}

impl Patience {
    fn new(limit: Duration, halted: watch::Receiver<bool>, allowance: Arc<Allowance>) -> Self {
        let (waited, unforgiven) = (Duration::ZERO, Duration::ZERO);
        Self { limit, waited, unforgiven, halted, allowance }
    }

    /// How long the running call has waited.
    pub(super) fn waited(&self) -> Duration {
        self.waited
    }

    /// Whether a tick that finds the guest running is for its waits: for no more of them than it has waited.
    pub(super) fn forgive_tick(&mut self) -> bool {
        let rest = self.unforgiven.checked_sub(TICK);
        self.unforgiven = rest.unwrap_or(self.unforgiven);
        rest.is_some()
    }

    /// Holds the guest's thread until there is an answer, for `most` of the time. What is ready at once costs nothing.
    pub(super) fn wait<T>(
        &mut self,
        most: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, NoAnswer> {
        let runtime = Handle::try_current().map_err(|_| NoAnswer::NoRuntime)?;
        // What is not asked cannot find out that the runtime has ended.
        if *self.halted.borrow() {
            return Err(NoAnswer::Halted);
        }
        let mut work = pin!(work);
        if let Some(answer) = work.as_mut().now_or_never() {
            return Ok(answer);
        }
        let left = self.limit.saturating_sub(self.waited);
        let (time, late) = match most < left {
            true => (most, NoAnswer::TooLong),
            false => (left, NoAnswer::NoPatience),
        };
        let began = Instant::now();
        let halted = &mut self.halted;
        let answer = lane::give_way(&runtime, || {
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    _ = halted.wait_for(|halted| *halted) => Err(NoAnswer::Halted),
                    answer = tokio::time::timeout(time, work) => answer.map_err(|_| late),
                }
            })
        });
        let waited = began.elapsed();
        self.waited += waited;
        self.unforgiven += waited.min(TICK);
        if matches!(answer, Err(NoAnswer::NoPatience)) {
            self.allowance.note(Bound::WaitTime);
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
            let mut patience = Patience::new(Duration::from_millis(30), halted, Arc::default());
            [
                patience.wait(LONG, ready(())),
                patience.wait(Duration::from_millis(5), pending()),
                patience.wait(LONG, pending()),
                patience.wait(LONG, pending()),
                patience.wait(LONG, ready(())),
            ]
        });
        let (late, over) = (Err(NoAnswer::TooLong), Err(NoAnswer::NoPatience));
        assert_eq!(waits, [Ok(()), late, over, over, Ok(())]);
    }

    #[test]
    fn when_the_host_stops_nobody_waits_any_more() {
        let (host, halted) = watch::channel(false);
        let waits = on_a_thread(move || {
            let mut patience = Patience::new(LONG, halted, Arc::default());
            std::thread::spawn(move || host.send_replace(true));
            [patience.wait(LONG, pending()), patience.wait(LONG, ready(()))]
        });
        assert_eq!(waits, [Err(NoAnswer::Halted); 2]);
    }

    #[test]
    fn without_a_runtime_there_is_nothing_to_wait_for() {
        let (_host, halted) = watch::channel(false);
        let mut patience = Patience::new(LONG, halted, Arc::default());
        assert_eq!(patience.wait(LONG, ready(())), Err(NoAnswer::NoRuntime));
    }
}
