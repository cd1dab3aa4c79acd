//! The threads for calls that may be long. Short calls run on the task of their socket, so that no socket waits for a
//! guest that computes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::Semaphore;

use super::compute_permit::{ComputePermit, PermitScope, acquire_all};
use super::thread_priority::lower_thread_priority;
use narrowboat_quota::QuotaChain;

/// The guest threads of the host, or those that a tenant may use at a time. They have a lower priority than the threads
/// of the sockets.
#[derive(Debug, Clone)]
pub struct GuestThreadPool {
    /// The semaphores of which a call needs a permit each. That of the smallest pool comes first.
    compute_permits: Vec<Arc<Semaphore>>,
    /// The semaphores of guests that wait and have released their compute permits.
    wait_permits: Vec<Arc<Semaphore>>,
    /// The number of guests that may compute at a time.
    compute_limit: usize,
    /// The number of guests that may wait at a time.
    wait_limit: usize,
    /// The calls of the whole host that run on a guest thread or wait for one.
    calls: Arc<AtomicUsize>,
}

/// The part of the guest threads that one plugin may use. A plugin whose calls are long leaves threads to others.
#[derive(Debug)]
pub struct GuestExecutor {
    pool: GuestThreadPool,
    quota: Arc<QuotaChain>,
}

/// Guests that may wait at a time without a compute permit: half of the blocking threads of tokio, so that the other
/// half is left for the work that they wait for. A tenant may have half of it, and a plugin half of its tenant's.
const MAX_WAITING_GUESTS: usize = 256;

impl GuestThreadPool {
    /// Creates a pool in which `count` guests may compute at a time; 0 means two for each core.
    pub fn new(count: usize) -> Self {
        let compute_limit = if count == 0 { core_count() * 2 } else { count };
        let semaphores = |count: usize| vec![Arc::new(Semaphore::new(count))];
        Self {
            compute_permits: semaphores(compute_limit),
            wait_permits: semaphores(MAX_WAITING_GUESTS),
            compute_limit,
            wait_limit: MAX_WAITING_GUESTS,
            calls: Arc::default(),
        }
    }

    /// The number of calls of the whole host that run on a guest thread or wait for one.
    pub fn call_count(&self) -> usize {
        self.calls.load(Ordering::Acquire)
    }

    /// The part of one tenant: half, and at most half of the cores. The sockets find another core then: the system lets
    /// even a thread of the lowest priority finish its time slice before a thread that has just run.
    #[must_use]
    pub fn tenant_pool(&self) -> Self {
        self.subpool(self.compute_limit.min(core_count()) / 2)
    }

    /// The part of one plugin, which is charged to `quota`: half.
    pub fn plugin_executor(&self, quota: Arc<QuotaChain>) -> GuestExecutor {
        GuestExecutor { pool: self.subpool(self.compute_limit / 2), quota }
    }

    /// Returns a part of this pool. In the part `count` guests, at least one, may compute, and half as many may wait as in
    /// this pool.
    fn subpool(&self, count: usize) -> Self {
        let with_parents = |count: usize, parents: &[Arc<Semaphore>]| {
            let own = Arc::new(Semaphore::new(count));
            [own].into_iter().chain(parents.iter().cloned()).collect()
        };
        let (compute_limit, wait_limit) = (count.max(1), (self.wait_limit / 2).max(1));
        Self {
            compute_permits: with_parents(compute_limit, &self.compute_permits),
            wait_permits: with_parents(wait_limit, &self.wait_permits),
            compute_limit,
            wait_limit,
            calls: Arc::clone(&self.calls),
        }
    }

    /// Waits until one more guest may compute. `None` if the host is stopping.
    async fn acquire(&self) -> Option<ComputePermit> {
        let permits = acquire_all(&self.compute_permits).await?;
        Some(ComputePermit { permits, wait_permits: self.wait_permits.clone() })
    }
}

/// A call that is counted until it is dropped.
struct CountedCall<'a>(&'a AtomicUsize);

impl<'a> CountedCall<'a> {
    fn new(calls: &'a AtomicUsize) -> Self {
        calls.fetch_add(1, Ordering::AcqRel);
        Self(calls)
    }
}

impl Drop for CountedCall<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The cores that this process may use. Counted once, because it reads files of the system.
fn core_count() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from))
}

impl GuestExecutor {
    /// Runs `work` on a guest thread, once a thread is free and the plugin has CPU quota left. `None` if the work
    /// panicked, which the panic hook has reported, or if the host is stopping.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let _counted = CountedCall::new(&self.pool.calls);
        let permit = loop {
            while let Some(wait) = self.quota.cpu_wait() {
                tokio::time::sleep(wait).await;
            }
            let permit = self.pool.acquire().await?;
            // Other calls may have used up the quota meanwhile.
            if self.quota.cpu_wait().is_none() {
                break permit;
            }
        };
        let work = move || {
            // Held by the work, which goes on even if the caller stops waiting for it.
            let _scope = PermitScope::enter(permit);
            lower_thread_priority();
            work()
        };
        tokio::task::spawn_blocking(work).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduling::release_permit_while;
    use tokio::runtime::Handle;

    #[test]
    fn a_waiting_guest_releases_its_permit() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let executor = Arc::new(GuestThreadPool::new(1).plugin_executor(Arc::default()));
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        runtime.block_on(async {
            let other = Arc::clone(&executor);
            let first = executor.run(move || {
                let runtime = Handle::current();
                release_permit_while(&runtime, || runtime.block_on(receiver.recv()))
            });
            let second = async { other.run(move || sender.send(7).unwrap()).await };
            let (first, _) = tokio::join!(first, second);
            assert_eq!(first.flatten(), Some(7));
            let free = |all: &[Arc<Semaphore>]| -> Vec<_> {
                all.iter().map(|permits| permits.available_permits()).collect()
            };
            assert_eq!(free(&executor.pool.compute_permits), [1, 1]);
            assert_eq!(
                free(&executor.pool.wait_permits),
                [MAX_WAITING_GUESTS / 2, MAX_WAITING_GUESTS]
            );
        });
    }

    #[test]
    fn a_tenant_gets_half_of_the_cores_and_a_plugin_half_of_that() {
        let free = |threads: &GuestThreadPool| threads.compute_permits[0].available_permits();
        let all = GuestThreadPool::new(core_count() * 8);
        let tenant = all.tenant_pool();
        assert_eq!(free(&tenant), (core_count() / 2).max(1));
        assert_eq!(free(&tenant.plugin_executor(Arc::default()).pool), (core_count() / 4).max(1));
        assert_eq!(free(&all.plugin_executor(Arc::default()).pool), core_count() * 4);
        assert_eq!(free(&GuestThreadPool::new(1).tenant_pool()), 1);
    }
}
