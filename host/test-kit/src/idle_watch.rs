//! Notices when a host has nothing left to do.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use narrowboat_runtime::GuestThreadPool;

/// Notices when a host on a runtime with one thread has nothing left to do: no task is ready, and no guest runs on a thread
/// of its own.
#[derive(Default)]
pub(crate) struct IdleWatch {
    is_awaited: AtomicBool,
    idle: Notify,
    guest_threads: OnceLock<GuestThreadPool>,
}

impl IdleWatch {
    /// Sets the threads of the guests of the host.
    pub(crate) fn watch_guests(&self, threads: GuestThreadPool) {
        let _ = self.guest_threads.set(threads);
    }

    /// Called by the runtime when no task is ready, before its thread sleeps. A guest that ends wakes the runtime, and it
    /// calls this again.
    pub(crate) fn on_thread_park(&self) {
        let runs_guest = self.guest_threads.get().is_some_and(|threads| threads.call_count() > 0);
        if !runs_guest && self.is_awaited.swap(false, Ordering::Relaxed) {
            self.idle.notify_one();
        }
    }

    /// Waits until nothing is left to do.
    pub(crate) async fn wait(&self) {
        self.is_awaited.store(true, Ordering::Relaxed);
        self.idle.notified().await;
    }
}
