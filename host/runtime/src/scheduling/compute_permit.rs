//! The permits that a guest thread holds while its guest computes.

use std::cell::RefCell;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a guest thread holds while it works.
pub(super) struct ComputePermit {
    /// The fewest first.
    pub(super) permits: Vec<OwnedSemaphorePermit>,
    /// What a guest needs that leaves this to another while it waits, the fewest first.
    pub(super) wait_permits: Vec<Arc<Semaphore>>,
}

/// Whoever works on a guest thread has its place here, for [`give_way`]. It goes with this, whatever becomes of the work.
pub(super) struct PermitScope;

thread_local!(static CURRENT_PERMIT: RefCell<Option<ComputePermit>> = const { RefCell::new(None) });

impl PermitScope {
    pub(super) fn enter(place: ComputePermit) -> Self {
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
pub(super) async fn acquire_all(all: &[Arc<Semaphore>]) -> Option<Vec<OwnedSemaphorePermit>> {
    let mut held = Vec::with_capacity(all.len());
    for permits in all {
        held.push(Arc::clone(permits).acquire_owned().await.ok()?);
    }
    Some(held)
}
