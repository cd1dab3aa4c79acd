//! Where calls run: short ones on the socket's own task, others on guest threads, so that no socket
//! waits for a guest that computes.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::compute_permit::{ComputePermit, PermitScope, acquire_all};
use super::thread_priority::lower_thread_priority;
use narrowboat_quota::QuotaChain;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduling::release_permit_while;
    use tokio::runtime::Handle;

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
}
