//! Taking a host out of service: no more connections, and an end to those there are that does not bring all
//! clients back at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Server;
use super::connection_registry::ConnectionRegistry;
use crate::api::DrainStatus;
use narrowboat_core::close_frame::{CloseFrame, code};
use narrowboat_websocket::connection::ConnectionHandle;

/// The rest between two closes, at least.
const CLOSE_INTERVAL: Duration = Duration::from_millis(20);

/// What clients are told.
const CLOSE_REASON: &str = "server is draining";

/// Whether the host drains, and how far it is.
#[derive(Debug, Default)]
pub(super) struct Drain {
    is_draining: AtomicBool,
    progress: Mutex<Option<DrainProgress>>,
}

#[derive(Debug)]
struct DrainProgress {
    total: u64,
    deadline: Instant,
    close_task: tokio::task::AbortHandle,
}

impl Drain {
    /// Whether no more connections are taken.
    pub(super) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::SeqCst)
    }

    /// How far it is, if it has begun.
    pub(super) fn status(&self, links: &ConnectionRegistry) -> Option<DrainStatus> {
        let state = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let DrainProgress { total: of, deadline: end, .. } = state.as_ref()?;
        let seconds = end.saturating_duration_since(Instant::now()).as_secs_f64().ceil() as u64;
        Some(DrainStatus {
            total: *of,
            remaining: links.count() as u64,
            seconds_remaining: seconds,
        })
    }

    /// Takes no more connections, and closes those there are within `over`. Asked again, the new time counts.
    pub(super) fn start(&self, server: &Arc<Server>, over: Duration) -> DrainStatus {
        // First, so that nobody comes whom nobody would close.
        self.is_draining.store(true, Ordering::SeqCst);
        let links: Vec<_> =
            server.connections.connections().into_iter().map(|open| open.handle).collect();
        let of = links.len() as u64;
        let closing = tokio::spawn(close_gradually(Arc::clone(server), links, over)).abort_handle();
        let end = Instant::now() + over;
        let mut state = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let before = state.replace(DrainProgress { total: of, deadline: end, close_task: closing });
        drop(state);
        if let Some(before) = before {
            before.close_task.abort();
        }
        DrainStatus { total: of, remaining: of, seconds_remaining: over.as_secs() }
    }
}

/// Closes connections evenly over a time, and then those that were under way when it began.
async fn close_gradually(server: Arc<Server>, links: Vec<Arc<ConnectionHandle>>, over: Duration) {
    let began = Instant::now();
    let all = links.len().max(1);
    let mut done = 0;
    while done < links.len() {
        let passed = began.elapsed().as_secs_f64() / over.as_secs_f64().max(f64::MIN_POSITIVE);
        let due = (((all as f64) * passed.min(1.0)).ceil() as usize).clamp(done, links.len());
        links[done..due].iter().for_each(|link| close_connection(link));
        done = due;
        sleep(CLOSE_INTERVAL).await;
    }
    for open in server.connections.connections() {
        close_connection(&open.handle);
    }
    tracing::info!("{} connections were told to close", links.len());
}

/// Tells one connection to close.
pub(super) fn close_connection(link: &ConnectionHandle) {
    link.outbound.close(CloseFrame::new(code::SERVICE_RESTART, CLOSE_REASON));
}
