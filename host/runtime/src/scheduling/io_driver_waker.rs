//! Keeps sockets served while a long call blocks a thread of the runtime.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Handle;

/// Wakes a thread of the runtime when a call runs longer than a tick, because the thread of that call may be the one
/// that polls the sockets.
///
/// A thread passes this task on only when it is idle. Without help, the runtime would not poll the sockets until the
/// call ends, even if other threads are idle. The ticker, which is not a thread of the runtime, wakes another thread.
#[derive(Debug, Default)]
pub(crate) struct IoDriverWaker {
    is_flagged: AtomicBool,
    runtime: OnceLock<Handle>,
}

impl IoDriverWaker {
    /// Records that a tick has found a guest running. Called on the thread of the guest.
    pub(crate) fn flag_overrun(&self) {
        self.is_flagged.store(true, Ordering::Relaxed);
    }

    /// Sets the runtime. A second call has no effect: a host has one runtime.
    pub(crate) fn attach_runtime(&self, runtime: Handle) {
        let _ = self.runtime.set(runtime);
    }

    /// Wakes a thread of the runtime if a guest was found running. Called by the ticker on each tick.
    pub(crate) fn wake_worker_if_flagged(&self) {
        if self.is_flagged.swap(false, Ordering::Relaxed)
            && let Some(runtime) = self.runtime.get()
        {
            // The thread that runs this task polls the sockets afterwards.
            runtime.spawn(async {});
        }
    }
}
