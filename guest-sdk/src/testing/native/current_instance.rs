//! The instance whose code runs on a thread.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};

use super::host_state::HostState;

/// The error of a function that needs a host, outside of a plugin that a host runs.
pub(crate) const OUTSIDE: &str = "only a plugin that a host runs can do this: in a test, run the plugin in a \
     narrowboat_guest::testing::Host and connect to it";

/// The number of an instance of the plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct InstanceId(pub(crate) u32);

thread_local! {
    static CURRENT: RefCell<Option<(Arc<Mutex<HostState>>, InstanceId)>> =
        const { RefCell::new(None) };
}

/// Makes this thread that of an instance.
pub(super) fn enter_instance(host: Arc<Mutex<HostState>>, instance: InstanceId) {
    CURRENT.set(Some((host, instance)));
}

/// Runs `work` with the host of the instance that runs on this thread. `None` if there is none.
pub(crate) fn with_host<R>(work: impl FnOnce(&mut HostState, InstanceId) -> R) -> Option<R> {
    let current = CURRENT.try_with(|current| current.borrow().clone()).ok().flatten();
    let (host, instance) = current?;
    let mut host = host.lock().unwrap_or_else(PoisonError::into_inner);
    Some(work(&mut host, instance))
}
