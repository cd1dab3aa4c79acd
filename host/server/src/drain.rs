//! Taking a host out of service: no more connections, and an end to those there are that does not bring all
//! clients back at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Server;
use super::links::Links;
use crate::api::Draining;
use narrowboat_core::closure::{Closure, code};
use narrowboat_websocket::connection::Link;

/// The rest between two closes, at least.
const STEP: Duration = Duration::from_millis(20);

/// What clients are told.
const REASON: &str = "the host is going out of service";

/// Whether the host drains, and how far it is.
#[derive(Debug, Default)]
pub(super) struct Drain {
    begun: AtomicBool,
    state: Mutex<Option<State>>,
}

#[derive(Debug)]
struct State {
    of: u64,
    end: Instant,
    closing: tokio::task::AbortHandle,
}

impl Drain {
    /// Whether no more connections are taken.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::SeqCst)
    }

    /// How far it is, if it has begun.
    pub(super) fn progress(&self, links: &Links) -> Option<Draining> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { of, end, .. } = state.as_ref()?;
        let seconds = end.saturating_duration_since(Instant::now()).as_secs_f64().ceil() as u64;
        Some(Draining { of: *of, left: links.count() as u64, seconds })
    }

    /// Takes no more connections, and closes those there are within `over`. Asked again, the new time counts.
    pub(super) fn begin(&self, server: &Arc<Server>, over: Duration) -> Draining {
        // First, so that nobody comes whom nobody would close.
        self.begun.store(true, Ordering::SeqCst);
        let links: Vec<_> = server.links.open().into_iter().map(|open| open.link).collect();
        let of = links.len() as u64;
        let closing = tokio::spawn(close(Arc::clone(server), links, over)).abort_handle();
        let end = Instant::now() + over;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = state.replace(State { of, end, closing });
        drop(state);
        if let Some(before) = before {
            before.closing.abort();
        }
        Draining { of, left: of, seconds: over.as_secs() }
    }
}

/// Closes connections evenly over a time, and then those that were under way when it began.
async fn close(server: Arc<Server>, links: Vec<Arc<Link>>, over: Duration) {
    let began = Instant::now();
    let all = links.len().max(1);
    let mut done = 0;
    while done < links.len() {
        let passed = began.elapsed().as_secs_f64() / over.as_secs_f64().max(f64::MIN_POSITIVE);
        let due = (((all as f64) * passed.min(1.0)).ceil() as usize).clamp(done, links.len());
        links[done..due].iter().for_each(|link| end(link));
        done = due;
        sleep(STEP).await;
    }
    for open in server.links.open() {
        end(&open.link);
    }
    tracing::info!("{} connections were told to close", links.len());
}

/// Tells one connection to close.
pub(super) fn end(link: &Link) {
    link.outbound.close(Closure::new(code::RESTART, REASON));
}
