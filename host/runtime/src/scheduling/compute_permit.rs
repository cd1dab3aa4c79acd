//! The permits that a guest thread holds while its guest computes.

use std::cell::RefCell;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The permits that a guest thread holds while its guest computes.
pub(super) struct ComputePermit {
    /// The permits. Those of the smallest pool come first.
    pub(super) permits: Vec<OwnedSemaphorePermit>,
    /// The semaphores whose permits a waiting guest needs. That of the smallest pool comes first.
    pub(super) wait_permits: Vec<Arc<Semaphore>>,
}

/// Keeps the permit of the current thread for [`release_permit_while`]. Dropping it releases the permit, even if the
/// work panics.
pub(super) struct PermitScope;

thread_local!(static CURRENT_PERMIT: RefCell<Option<ComputePermit>> = const { RefCell::new(None) });

impl PermitScope {
    pub(super) fn enter(permit: ComputePermit) -> Self {
        CURRENT_PERMIT.set(Some(permit));
        Self
    }
}

impl Drop for PermitScope {
    fn drop(&mut self) {
        drop(CURRENT_PERMIT.take());
    }
}

/// Whether the current thread is a guest thread that runs work.
pub(super) fn is_guest_thread() -> bool {
    CURRENT_PERMIT.with_borrow(Option::is_some)
}

/// Releases the compute permit of the current thread while `wait` runs, and acquires it again. If too many guests wait
/// already, or the thread is not a guest thread, it only runs `wait`.
pub(crate) fn release_permit_while<T>(runtime: &Handle, wait: impl FnOnce() -> T) -> T {
    let Some(permit) = CURRENT_PERMIT.take() else { return wait() };
    let wait_permits: Result<Vec<_>, _> =
        permit.wait_permits.iter().map(|all| Arc::clone(all).try_acquire_owned()).collect();
    let Ok(_wait_permits) = wait_permits else {
        CURRENT_PERMIT.set(Some(permit));
        return wait();
    };
    let ComputePermit { permits, wait_permits } = permit;
    let semaphores: Vec<_> = permits.iter().map(|permit| Arc::clone(permit.semaphore())).collect();
    drop(permits);
    let result = wait();
    // The guest queues like one that has just arrived.
    let permits = runtime.block_on(acquire_all(&semaphores));
    CURRENT_PERMIT.set(permits.map(|permits| ComputePermit { permits, wait_permits }));
    result
}

/// Acquires a permit of each semaphore, in order. `None` if the host is stopping.
pub(super) async fn acquire_all(
    semaphores: &[Arc<Semaphore>],
) -> Option<Vec<OwnedSemaphorePermit>> {
    let mut permits = Vec::with_capacity(semaphores.len());
    for semaphore in semaphores {
        permits.push(Arc::clone(semaphore).acquire_owned().await.ok()?);
    }
    Some(permits)
}
