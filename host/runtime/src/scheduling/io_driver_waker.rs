//! Keeping sockets heard while a call overruns on a thread of the runtime.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Handle;

/// A call runs past a tick, and the thread it holds may be the one that waits for sockets.
///
/// Such a thread hands that wait on only when it has nothing to do, so that without help no socket
/// would be heard until the call ends, however many other threads sleep. The clock, which is no
/// thread of the runtime, wakes another one.
#[derive(Debug, Default)]
pub(crate) struct IoDriverWaker {
    is_flagged: AtomicBool,
    runtime: OnceLock<Handle>,
}

impl IoDriverWaker {
    /// Called by the guest's thread on each tick that finds it running.
    pub(crate) fn flag_overrun(&self) {
        self.is_flagged.store(true, Ordering::Relaxed);
    }

    /// Names the runtime. A second one would share the host with the first, which there never is.
    pub(crate) fn attach_runtime(&self, runtime: Handle) {
        let _ = self.runtime.set(runtime);
    }

    /// Called by the clock on each tick.
    pub(crate) fn wake_worker_if_flagged(&self) {
        if self.is_flagged.swap(false, Ordering::Relaxed)
            && let Some(runtime) = self.runtime.get()
        {
            // Whoever takes it up goes on to wait for sockets.
            runtime.spawn(async {});
        }
    }
}
