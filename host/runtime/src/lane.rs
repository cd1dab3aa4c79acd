//! Where calls run: short ones on the socket's own task, others on guest threads, so that no socket
//! waits for a guest that computes.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use narrowboat_core::manifest::Lane;
use narrowboat_quota::Allowance;

/// Calls under a tick that bring a version back to the fast lane.
const GOOD_STREAK: u32 = 1_000;

/// Which lane a version's calls take.
#[derive(Debug)]
pub(super) struct LaneState {
    wanted: Lane,
    slow: AtomicBool,
    /// Calls in a row that did not pass a tick.
    good: AtomicU32,
}

impl LaneState {
    pub(super) fn new(wanted: Lane) -> Self {
        let slow = AtomicBool::new(wanted == Lane::Slow);
        Self { wanted, slow, good: AtomicU32::new(0) }
    }

    /// Whether the next call belongs on a guest thread.
    pub(super) fn is_slow(&self) -> bool {
        self.slow.load(Ordering::Relaxed)
    }

    /// Notes whether a call ran past a tick.
    pub(super) fn note(&self, overran: bool) {
        if overran {
            self.good.store(0, Ordering::Relaxed);
            self.slow.store(true, Ordering::Relaxed);
        } else if self.is_slow() && self.wanted == Lane::Auto {
            let streak = self.good.fetch_add(1, Ordering::Relaxed) + 1;
            if streak >= GOOD_STREAK {
                self.good.store(0, Ordering::Relaxed);
                self.slow.store(false, Ordering::Relaxed);
            }
        }
    }
}

/// The host's guest threads, or as many of them as a tenant may have at a time. They run at a lower priority than the
/// sockets' threads.
#[derive(Debug, Clone)]
pub struct GuestThreads {
    /// Permits that a call needs, the fewest first.
    computing: Vec<Arc<Semaphore>>,
    /// Those of guests that only wait, whose place another has meanwhile.
    waiting: Vec<Arc<Semaphore>>,
    /// How many of these may compute at a time.
    count: usize,
    /// How many of these may wait at a time.
    waits: usize,
}

/// One plugin's part of the guest threads, so that a plugin whose calls are long leaves some to
/// the others.
#[derive(Debug)]
pub struct Share {
    threads: GuestThreads,
    allowance: Arc<Allowance>,
}

/// What a guest thread holds while it works.
struct Place {
    /// The fewest first.
    computing: Vec<OwnedSemaphorePermit>,
    /// What a guest needs that leaves this to another while it waits, the fewest first.
    waiting: Vec<Arc<Semaphore>>,
}

/// Whoever works on a guest thread has its place here, for [`give_way`]. It goes with this, whatever becomes of the work.
struct Placed;

thread_local!(static PLACE: RefCell<Option<Place>> = const { RefCell::new(None) });

/// How far below the sockets' threads guests run, in units of `nice`.
const NICENESS: i32 = 5;

/// Guests that may wait at a time without a place among those that compute: half of the threads that there can be, so
/// that as many are left for what they wait for. A tenant may have half of it, and a plugin half of what its tenant may.
const WAITING: usize = 256;

impl GuestThreads {
    /// So many guests may compute at a time; 0 means two a core.
    pub fn new(count: usize) -> Self {
        let count = if count == 0 { cores() * 2 } else { count };
        let all = |count: usize| vec![Arc::new(Semaphore::new(count))];
        Self { computing: all(count), waiting: all(WAITING), count, waits: WAITING }
    }

    /// What a tenant has of them: half, and no more than half of the cores. Sockets find another core then: the system
    /// lets even a thread of the lowest priority finish its turn before one that has just run.
    #[must_use]
    pub fn of_tenant(&self) -> Self {
        self.part(self.count.min(cores()) / 2)
    }

    /// The part of a plugin that may use so much: half.
    pub fn share(&self, allowance: Arc<Allowance>) -> Share {
        Share { threads: self.part(self.count / 2), allowance }
    }

    /// So many of them, one at least, and half of their waits.
    fn part(&self, count: usize) -> Self {
        let within = |count: usize, others: &[Arc<Semaphore>]| {
            let own = Arc::new(Semaphore::new(count));
            [own].into_iter().chain(others.iter().cloned()).collect()
        };
        let (count, waits) = (count.max(1), (self.waits / 2).max(1));
        Self {
            computing: within(count, &self.computing),
            waiting: within(waits, &self.waiting),
            count,
            waits,
        }
    }

    /// Waits until one more guest may compute. `None` if the host is going away.
    async fn acquire(&self) -> Option<Place> {
        let computing = acquire_all(&self.computing).await?;
        Some(Place { computing, waiting: self.waiting.clone() })
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl Share {
    /// Runs `work` on a guest thread when one is free and the plugin has time left to run in. `None` if it panicked,
    /// which has been reported, or if the host is going away.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let place = loop {
            while let Some(rest) = self.allowance.rest() {
                tokio::time::sleep(rest).await;
            }
            let place = self.threads.acquire().await?;
            // Whoever ran meanwhile may have used what there was.
            if self.allowance.rest().is_none() {
                break place;
            }
        };
        let work = move || {
            // Held by the work, which goes on when whoever waits for it has gone.
            let _placed = Placed::at(place);
            step_back();
            work()
        };
        tokio::task::spawn_blocking(work).await.ok()
    }
}

/// Runs long and rare work on a thread of its own, at the sockets' priority. `None` if it panicked,
/// which has been reported, or if there is no thread.
pub async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
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

impl Placed {
    fn at(place: Place) -> Self {
        PLACE.set(Some(place));
        Self
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        drop(PLACE.take());
    }
}

/// Whether the calling thread is a guest thread with work.
pub(super) fn is_guest_thread() -> bool {
    PLACE.with_borrow(Option::is_some)
}

/// Leaves the calling thread's place among the guests that compute to another while `wait` waits, if not too many do
/// already. Anywhere but on a guest thread it just waits.
pub(super) fn give_way<T>(runtime: &Handle, wait: impl FnOnce() -> T) -> T {
    let Some(place) = PLACE.take() else { return wait() };
    let held: Result<Vec<_>, _> =
        place.waiting.iter().map(|all| Arc::clone(all).try_acquire_owned()).collect();
    let Ok(_held) = held else {
        PLACE.set(Some(place));
        return wait();
    };
    let Place { computing, waiting } = place;
    let left: Vec<_> = computing.iter().map(|permit| Arc::clone(permit.semaphore())).collect();
    drop(computing);
    let answer = wait();
    // As whoever comes for the first time.
    let computing = runtime.block_on(acquire_all(&left));
    PLACE.set(computing.map(|computing| Place { computing, waiting }));
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
pub(super) fn step_back() {
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
        let lane = LaneState::new(Lane::Auto);
        assert!(!lane.is_slow());
        lane.note(true);
        assert!(lane.is_slow());
        for _ in 0..GOOD_STREAK {
            assert!(lane.is_slow());
            lane.note(false);
        }
        assert!(!lane.is_slow());
    }

    #[test]
    fn who_waits_leaves_its_place_to_another() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let share = Arc::new(GuestThreads::new(1).share(Arc::default()));
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        runtime.block_on(async {
            let other = Arc::clone(&share);
            let first = share.run(move || {
                let runtime = Handle::current();
                give_way(&runtime, || runtime.block_on(told.recv()))
            });
            let second = async { other.run(move || tell.send(7).unwrap()).await };
            let (first, _) = tokio::join!(first, second);
            assert_eq!(first.flatten(), Some(7));
            let free = |all: &[Arc<Semaphore>]| -> Vec<_> {
                all.iter().map(|permits| permits.available_permits()).collect()
            };
            assert_eq!(free(&share.threads.computing), [1, 1]);
            assert_eq!(free(&share.threads.waiting), [WAITING / 2, WAITING]);
        });
    }

    #[test]
    fn a_tenant_computes_on_half_of_the_cores_and_a_plugin_on_half_of_that() {
        let free = |threads: &GuestThreads| threads.computing[0].available_permits();
        let all = GuestThreads::new(cores() * 8);
        let tenant = all.of_tenant();
        assert_eq!(free(&tenant), (cores() / 2).max(1));
        assert_eq!(free(&tenant.share(Arc::default()).threads), (cores() / 4).max(1));
        assert_eq!(free(&all.share(Arc::default()).threads), cores() * 4);
        assert_eq!(free(&GuestThreads::new(1).of_tenant()), 1);
    }

    #[test]
    fn a_plugin_that_asks_for_the_slow_lane_stays_there() {
        let lane = LaneState::new(Lane::Slow);
        for _ in 0..=GOOD_STREAK {
            lane.note(false);
        }
        assert!(lane.is_slow());
    }
}
