//! The drain of a host: it accepts no more connections, and closes the open ones spread over a time, so that clients do
//! not all reconnect at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::admin::api::DrainStatus;
use crate::connection_registry::ConnectionRegistry;
use narrowboat_core::host_close::HostClose;
use narrowboat_websocket::connection::ConnectionHandle;

/// The least pause between two batches of closes.
const CLOSE_INTERVAL: Duration = Duration::from_millis(20);

/// Whether the host drains, and its progress.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    is_draining: AtomicBool,
    progress: Mutex<Option<DrainProgress>>,
}

#[derive(Debug)]
struct DrainProgress {
    /// Connections at the beginning.
    total: u64,
    deadline: Instant,
    close_task: tokio::task::AbortHandle,
}

impl Drain {
    /// Whether the host drains: it accepts no more connections.
    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::SeqCst)
    }

    /// The progress of the drain, if it has begun.
    pub(crate) fn status(&self, connections: &ConnectionRegistry) -> Option<DrainStatus> {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let DrainProgress { total, deadline, .. } = progress.as_ref()?;
        let remaining_time = deadline.saturating_duration_since(Instant::now());
        Some(DrainStatus {
            total: *total,
            remaining: connections.count() as u64,
            seconds_remaining: remaining_time.as_secs_f64().ceil() as u64,
        })
    }

    /// Begins to drain: closes the open connections evenly within `duration`. A second call begins again with its own
    /// duration.
    pub(crate) fn start(
        &self,
        connections: &Arc<ConnectionRegistry>,
        duration: Duration,
    ) -> DrainStatus {
        // Before the connections are listed, so that no connection is missed.
        self.is_draining.store(true, Ordering::SeqCst);
        let handles: Vec<_> =
            connections.connections().into_iter().map(|open| open.handle).collect();
        let total = handles.len() as u64;
        let closing = close_gradually(Arc::clone(connections), handles, duration);
        let progress = DrainProgress {
            total,
            deadline: Instant::now() + duration,
            close_task: tokio::spawn(closing).abort_handle(),
        };
        let mut current = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let previous = current.replace(progress);
        drop(current);
        if let Some(previous) = previous {
            previous.close_task.abort();
        }
        DrainStatus { total, remaining: total, seconds_remaining: duration.as_secs() }
    }
}

/// Closes connections evenly within `duration`, and then those that were opening when the drain began.
async fn close_gradually(
    connections: Arc<ConnectionRegistry>,
    handles: Vec<Arc<ConnectionHandle>>,
    duration: Duration,
) {
    let started_at = Instant::now();
    let total = handles.len().max(1);
    let mut closed = 0;
    while closed < handles.len() {
        let elapsed =
            started_at.elapsed().as_secs_f64() / duration.as_secs_f64().max(f64::MIN_POSITIVE);
        let due = ((total as f64) * elapsed.min(1.0)).ceil() as usize;
        let due = due.clamp(closed, handles.len());
        handles[closed..due].iter().for_each(|handle| close_connection(handle));
        closed = due;
        sleep(CLOSE_INTERVAL).await;
    }
    for open in connections.connections() {
        close_connection(&open.handle);
    }
    tracing::info!(closed = handles.len(), "drain has closed all connections");
}

/// Closes one connection because the host drains.
pub(crate) fn close_connection(handle: &ConnectionHandle) {
    handle.outbound.close(HostClose::Draining.frame());
}
