//! The signal that a shared instance has rolled itself back.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Whether a shared instance has rolled itself back since the last reset.
#[derive(Default)]
pub(super) struct SelfRollbackSignal {
    is_set: AtomicBool,
    notify: Notify,
}

impl SelfRollbackSignal {
    pub(super) fn set(&self) {
        self.is_set.store(true, Ordering::SeqCst);
        self.notify.notify_one();
    }

    pub(super) fn reset(&self) {
        self.is_set.store(false, Ordering::SeqCst);
    }

    /// Waits until the signal is set, and resets it.
    pub(super) async fn wait(&self) {
        while !self.is_set.swap(false, Ordering::SeqCst) {
            self.notify.notified().await;
        }
    }
}
