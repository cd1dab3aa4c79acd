//! The next alarm of the rooms of a plugin that sleep.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use narrowboat_core::alarm_time::AlarmTime;

/// The next look of the host at the alarms of a plugin's rooms that sleep. The alarms themselves are in the store.
#[derive(Debug)]
pub(crate) struct AlarmQueue {
    /// The time of the next look, in milliseconds since 1970.
    next: AtomicU64,
    earlier: Notify,
}

impl Default for AlarmQueue {
    fn default() -> Self {
        Self { next: AtomicU64::new(u64::MAX), earlier: Notify::new() }
    }
}

impl AlarmQueue {
    /// Records that a room with an alarm sleeps from now on.
    pub(crate) fn add(&self, time: AlarmTime) {
        if time.as_millis() < self.next.load(Ordering::SeqCst) {
            self.notify();
        }
    }

    /// Sets the time of the next look; `None` if there is no alarm. Call it before the look.
    pub(crate) fn set_next(&self, time: Option<AlarmTime>) {
        self.next.store(time.map_or(u64::MAX, AlarmTime::as_millis), Ordering::SeqCst);
    }

    /// Waits until [`AlarmQueue::add`] had an alarm before the next look, or [`AlarmQueue::notify`] was called. One call
    /// before this is not missed.
    pub(crate) async fn wait_for_earlier(&self) {
        self.earlier.notified().await;
    }

    /// Lets the host look again.
    pub(crate) fn notify(&self) {
        self.earlier.notify_one();
    }
}
