//! Where calls run: short ones on the socket's own task, others on guest threads, so that no socket
//! waits for a guest that computes.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use narrowboat_core::manifest::ExecutionMode;
use narrowboat_quota::QuotaChain;

/// Calls under a tick that bring a version back to the fast lane.
const FAST_STREAK_LENGTH: u32 = 1_000;

/// Which lane a version's calls take.
#[derive(Debug)]
pub(crate) struct ExecutionModeState {
    configured: ExecutionMode,
    is_slow: AtomicBool,
    /// Calls in a row that did not pass a tick.
    fast_streak: AtomicU32,
}

impl ExecutionModeState {
    pub(crate) fn new(configured: ExecutionMode) -> Self {
        let is_slow = AtomicBool::new(configured == ExecutionMode::Thread);
        Self { configured, is_slow, fast_streak: AtomicU32::new(0) }
    }

    /// Whether the next call belongs on a guest thread.
    pub(crate) fn is_slow(&self) -> bool {
        self.is_slow.load(Ordering::Relaxed)
    }

    /// Notes whether a call ran past a tick.
    pub(crate) fn record_call(&self, overran: bool) {
        if overran {
            self.fast_streak.store(0, Ordering::Relaxed);
            self.is_slow.store(true, Ordering::Relaxed);
        } else if self.is_slow() && self.configured == ExecutionMode::Auto {
            let streak = self.fast_streak.fetch_add(1, Ordering::Relaxed) + 1;
            if streak >= FAST_STREAK_LENGTH {
                self.fast_streak.store(0, Ordering::Relaxed);
                self.is_slow.store(false, Ordering::Relaxed);
            }
        }
    }
}

/// The host's guest threads, or as many of them as a tenant may have at a time. They run at a lower priority than the
/// sockets' threads.
#[derive(Debug, Clone)]
pub struct GuestThreadPool {
    /// Permits that a call needs, the fewest first.
    compute_permits: Vec<Arc<Semaphore>>,
    /// Those of guests that only wait, whose place another has meanwhile.
    wait_permits: Vec<Arc<Semaphore>>,
    /// How many of these may compute at a time.
    compute_limit: usize,
    /// How many of these may wait at a time.
    wait_limit: usize,
}

/// One plugin's part of the guest threads, so that a plugin whose calls are long leaves some to
/// the others.
#[derive(Debug)]
pub struct GuestExecutor {
    pool: GuestThreadPool,
    quota: Arc<QuotaChain>,
}

/// What a guest thread holds while it works.
struct ComputePermit {
    /// The fewest first.
    permits: Vec<OwnedSemaphorePermit>,
    /// What a guest needs that leaves this to another while it waits, the fewest first.
    wait_permits: Vec<Arc<Semaphore>>,
}

/// Whoever works on a guest thread has its place here, for [`give_way`]. It goes with this, whatever becomes of the work.
struct PermitScope;

thread_local!(static CURRENT_PERMIT: RefCell<Option<ComputePermit>> = const { RefCell::new(None) });

/// How far below the sockets' threads guests run, in units of `nice`.
const NICENESS: i32 = 5;

/// Guests that may wait at a time without a place among those that compute: half of the threads that there can be, so
/// that as many are left for what they wait for. A tenant may have half of it, and a plugin half of what its tenant may.
const MAX_WAITING_GUESTS: usize = 256;

impl GuestThreadPool {
    /// So many guests may compute at a time; 0 means two a core.
    pub fn new(count: usize) -> Self {
        let compute_limit = if count == 0 { core_count() * 2 } else { count };
        let all = |count: usize| vec![Arc::new(Semaphore::new(count))];
        Self {
            compute_permits: all(compute_limit),
            wait_permits: all(MAX_WAITING_GUESTS),
            compute_limit,
            wait_limit: MAX_WAITING_GUESTS,
        }
    }

    /// What a tenant has of them: half, and no more than half of the cores. Sockets find another core then: the system
    /// lets even a thread of the lowest priority finish its turn before one that has just run.
    #[must_use]
    pub fn tenant_pool(&self) -> Self {
        self.subpool(self.compute_limit.min(core_count()) / 2)
    }

    /// The part of a plugin that may use so much: half.
    pub fn plugin_executor(&self, allowance: Arc<QuotaChain>) -> GuestExecutor {
        GuestExecutor { pool: self.subpool(self.compute_limit / 2), quota: allowance }
    }

    /// So many of them, one at least, and half of their waits.
    fn subpool(&self, count: usize) -> Self {
        let within = |count: usize, others: &[Arc<Semaphore>]| {
            let own = Arc::new(Semaphore::new(count));
            [own].into_iter().chain(others.iter().cloned()).collect()
        };
        let (count, waits) = (count.max(1), (self.wait_limit / 2).max(1));
        Self {
            compute_permits: within(count, &self.compute_permits),
            wait_permits: within(waits, &self.wait_permits),
            compute_limit: count,
            wait_limit: waits,
        }
    }

    /// Waits until one more guest may compute. `None` if the host is going away.
    async fn acquire(&self) -> Option<ComputePermit> {
        let computing = acquire_all(&self.compute_permits).await?;
        Some(ComputePermit { permits: computing, wait_permits: self.wait_permits.clone() })
    }
}

fn core_count() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl GuestExecutor {
    /// Runs `work` on a guest thread when one is free and the plugin has time left to run in. `None` if it panicked,
    /// which has been reported, or if the host is going away.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let place = loop {
            while let Some(rest) = self.quota.cpu_wait() {
                tokio::time::sleep(rest).await;
            }
            let place = self.pool.acquire().await?;
            // Whoever ran meanwhile may have used what there was.
            if self.quota.cpu_wait().is_none() {
                break place;
            }
        };
        let work = move || {
            // Held by the work, which goes on when whoever waits for it has gone.
            let _placed = PermitScope::enter(place);
            lower_thread_priority();
            work()
        };
        tokio::task::spawn_blocking(work).await.ok()
    }
}

/// Runs long and rare work on a thread of its own, at the sockets' priority. `None` if it panicked,
/// which has been reported, or if there is no thread.
pub async fn run_on_dedicated_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (answer, answered) = oneshot::channel();
    let thread = std::thread::Builder::new().name("aside".to_owned());
    let runtime = Handle::current();
    let spawned = thread.spawn(move || {
        // For guests that wait for what the runtime does.
        let _entered = runtime.enter();
        let _ = answer.send(work());
    });
    spawned.ok()?;
    answered.await.ok()
}

impl PermitScope {
    fn enter(place: ComputePermit) -> Self {
        CURRENT_PERMIT.set(Some(place));
        Self
    }
}

impl Drop for PermitScope {
    fn drop(&mut self) {
        drop(CURRENT_PERMIT.take());
    }
}

/// Whether the calling thread is a guest thread with work.
pub(crate) fn is_guest_thread() -> bool {
    CURRENT_PERMIT.with_borrow(Option::is_some)
}

/// Leaves the calling thread's place among the guests that compute to another while `wait` waits, if not too many do
/// already. Anywhere but on a guest thread it just waits.
pub(crate) fn release_permit_while<T>(runtime: &Handle, wait: impl FnOnce() -> T) -> T {
    let Some(place) = CURRENT_PERMIT.take() else { return wait() };
    let held: Result<Vec<_>, _> =
        place.wait_permits.iter().map(|all| Arc::clone(all).try_acquire_owned()).collect();
    let Ok(_held) = held else {
        CURRENT_PERMIT.set(Some(place));
        return wait();
    };
    let ComputePermit { permits: computing, wait_permits: waiting } = place;
    let left: Vec<_> = computing.iter().map(|permit| Arc::clone(permit.semaphore())).collect();
    drop(computing);
    let answer = wait();
    // As whoever comes for the first time.
    let computing = runtime.block_on(acquire_all(&left));
    CURRENT_PERMIT.set(
        computing.map(|computing| ComputePermit { permits: computing, wait_permits: waiting }),
    );
    answer
}

/// A permit of each, in order. `None` if the host is going away.
async fn acquire_all(all: &[Arc<Semaphore>]) -> Option<Vec<OwnedSemaphorePermit>> {
    let mut held = Vec::with_capacity(all.len());
    for permits in all {
        held.push(Arc::clone(permits).acquire_owned().await.ok()?);
    }
    Some(held)
}

/// Lowers the priority of the calling thread, once. Without the right to do so all goes on as it
/// is: the system shares the cores evenly then.
pub(crate) fn lower_thread_priority() {
    thread_local!(static DONE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) });
    if !DONE.replace(true) {
        let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_long_call_changes_the_lane_and_a_good_streak_changes_it_back() {
        let lane = ExecutionModeState::new(ExecutionMode::Auto);
        assert!(!lane.is_slow());
        lane.record_call(true);
        assert!(lane.is_slow());
        for _ in 0..FAST_STREAK_LENGTH {
            assert!(lane.is_slow());
            lane.record_call(false);
        }
        assert!(!lane.is_slow());
    }

    #[test]
    fn who_waits_leaves_its_place_to_another() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let share = Arc::new(GuestThreadPool::new(1).plugin_executor(Arc::default()));
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        runtime.block_on(async {
            let other = Arc::clone(&share);
            let first = share.run(move || {
                let runtime = Handle::current();
                release_permit_while(&runtime, || runtime.block_on(told.recv()))
            });
            let second = async { other.run(move || tell.send(7).unwrap()).await };
            let (first, _) = tokio::join!(first, second);
            assert_eq!(first.flatten(), Some(7));
            let free = |all: &[Arc<Semaphore>]| -> Vec<_> {
                all.iter().map(|permits| permits.available_permits()).collect()
            };
            assert_eq!(free(&share.pool.compute_permits), [1, 1]);
            assert_eq!(
                free(&share.pool.wait_permits),
                [MAX_WAITING_GUESTS / 2, MAX_WAITING_GUESTS]
            );
        });
    }

    #[test]
    fn a_tenant_computes_on_half_of_the_cores_and_a_plugin_on_half_of_that() {
        let free = |threads: &GuestThreadPool| threads.compute_permits[0].available_permits();
        let all = GuestThreadPool::new(core_count() * 8);
        let tenant = all.tenant_pool();
        assert_eq!(free(&tenant), (core_count() / 2).max(1));
        assert_eq!(free(&tenant.plugin_executor(Arc::default()).pool), (core_count() / 4).max(1));
        assert_eq!(free(&all.plugin_executor(Arc::default()).pool), core_count() * 4);
        assert_eq!(free(&GuestThreadPool::new(1).tenant_pool()), 1);
    }

    #[test]
    fn a_plugin_that_asks_for_the_slow_lane_stays_there() {
        let lane = ExecutionModeState::new(ExecutionMode::Thread);
        for _ in 0..=FAST_STREAK_LENGTH {
            lane.record_call(false);
        }
        assert!(lane.is_slow());
    }
}
