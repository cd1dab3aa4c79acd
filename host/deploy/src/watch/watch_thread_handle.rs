//! Wakes and stops the watch thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Wakes and stops the watch thread. Several calls of [`wake`](Self::wake) before a scan cause one scan.
#[derive(Debug, Clone)]
pub(super) struct WatchThreadHandle {
    wake_sender: SyncSender<()>,
    stopped: Arc<AtomicBool>,
}

impl WatchThreadHandle {
    /// Returns a handle, and the receiver that the thread waits on.
    pub(super) fn new() -> (Self, Receiver<()>) {
        let (wake_sender, wake_receiver) = sync_channel(1);
        (Self { wake_sender, stopped: Arc::default() }, wake_receiver)
    }

    /// Asks for a scan.
    pub(super) fn wake(&self) {
        // A full channel already holds a request for a scan.
        let _ = self.wake_sender.try_send(());
    }

    /// Ends the thread.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.wake();
    }

    /// Whether the thread has to end.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }
}
