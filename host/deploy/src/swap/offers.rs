//! Components that wait to become the live version, in the order in which they were offered.

use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use super::refusal::{Closing, Refusal};
use narrowboat_core::capabilities::Capabilities;
use narrowboat_runtime::{Build, Hash, Outcome};

/// What became of a component that was offered.
#[derive(Debug)]
pub enum Verdict {
    /// It is live.
    Live(Report),
    /// It was live already.
    Unchanged(Hash),
    /// It asks for more than the live version, and is kept until somebody approves.
    Pending {
        /// The version.
        version: Hash,
        /// What it asks for and the live one has not.
        more: Capabilities,
    },
    /// A newer one was offered before its turn came.
    Superseded,
    /// It is not taken.
    Refused(Refusal),
}

/// How a swap went.
#[derive(Debug)]
pub struct Report {
    /// The version that is live now.
    pub version: Hash,
    /// The one before.
    pub previous: Hash,
    /// What became of the consumers.
    pub outcome: Outcome,
    /// Why not all of them moved, with how many each time.
    pub reasons: String,
    /// From the offer's turn to the end of the trial.
    pub prepared: Duration,
    /// From the publishing to the last consumer's move.
    pub moved: Duration,
}

/// Who offers a component, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The plugin's file held it when the host began.
    Found(PathBuf),
    /// The plugin's file was written.
    File(PathBuf),
    /// Somebody uploaded it.
    Deploy {
        /// The name of the token.
        by: String,
        /// Even if the same bytes were taken back once.
        force: bool,
    },
    /// Somebody wants it back.
    Rollback {
        /// The name of the token.
        by: String,
    },
    /// Somebody lets it have what it asks for.
    Approval {
        /// The name of the token.
        by: String,
    },
}

impl Origin {
    /// Who offers it, for people.
    pub fn by(&self) -> &str {
        match self {
            Self::Found(_) | Self::File(_) => "file",
            Self::Deploy { by, .. } | Self::Rollback { by } | Self::Approval { by } => by,
        }
    }

    /// Where it comes from, for errors.
    pub fn place(&self) -> &Path {
        match self {
            Self::Found(file) | Self::File(file) => file,
            Self::Deploy { .. } => Path::new("the upload"),
            Self::Rollback { .. } | Self::Approval { .. } => Path::new("the kept version"),
        }
    }

    /// Whether somebody asks for just these bytes, whatever became of them before.
    pub(super) fn is_explicit(&self) -> bool {
        match self {
            Self::Found(_) | Self::File(_) => false,
            Self::Deploy { force, .. } => *force,
            Self::Rollback { .. } | Self::Approval { .. } => true,
        }
    }

    /// Whether it is what the plugin's file holds.
    pub(super) fn is_file(&self) -> bool {
        matches!(self, Self::Found(_) | Self::File(_))
    }
}

/// Components that wait; more are turned away.
const MOST: usize = 16;

/// Components, while they wait.
#[derive(Default)]
pub(super) struct Offers {
    queue: Mutex<VecDeque<Offer>>,
    filled: Notify,
    /// Why nothing is taken out any more; whoever still waits is told so.
    closed: Arc<OnceLock<Closing>>,
}

/// A component, and who waits to hear of it. Dropped without a verdict, it says that the queue has closed.
pub(super) struct Offer {
    pub(super) build: Arc<Build>,
    pub(super) origin: Origin,
    verdict: Option<oneshot::Sender<Verdict>>,
    closed: Arc<OnceLock<Closing>>,
}

impl Offers {
    /// Adds an offer. Of what a file held, only the newest counts. The receiver always gets a verdict.
    pub(super) fn put(&self, build: Arc<Build>, origin: Origin) -> oneshot::Receiver<Verdict> {
        let (verdict, heard) = oneshot::channel();
        let closed = Arc::clone(&self.closed);
        let offer = Offer { build, origin, verdict: Some(verdict), closed };
        let mut queue = self.lock();
        let older = match offer.origin.is_file() {
            true => queue.iter().position(|older| older.origin.is_file()),
            false => None,
        };
        let older = older.and_then(|index| queue.remove(index));
        // Looked at under the lock, so that `close` finds every offer that was not turned away here.
        let is_closed = self.closed.get().is_some();
        let unwanted = if queue.len() < MOST && !is_closed {
            queue.push_back(offer);
            None
        } else {
            Some(offer)
        };
        drop(queue);
        self.filled.notify_one();
        if let Some(older) = older {
            older.answer(Verdict::Superseded);
        }
        // Dropped, it says why the queue has closed.
        if let Some(unwanted) = unwanted.filter(|_| !is_closed) {
            unwanted.answer(Verdict::Refused(Refusal::Busy(MOST)));
        }
        heard
    }

    /// Waits for an offer. Cancel safe.
    pub(super) async fn take(&self) -> Offer {
        loop {
            let offer = self.lock().pop_front();
            if let Some(offer) = offer {
                return offer;
            }
            self.filled.notified().await;
        }
    }

    /// Takes no further offer, and tells everybody who waits why. The first reason stays.
    pub(super) fn close(&self, why: Closing) {
        let mut queue = self.lock();
        let _ = self.closed.set(why);
        let waiting = std::mem::take(&mut *queue);
        drop(queue);
        drop(waiting);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Offer>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Offer {
    pub(super) fn answer(mut self, verdict: Verdict) {
        self.send(verdict);
    }

    fn send(&mut self, verdict: Verdict) {
        if let Some(sender) = self.verdict.take() {
            // Whoever offered it may have stopped listening.
            let _ = sender.send(verdict);
        }
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        let why = self.closed.get().copied().unwrap_or(Closing::Failed);
        self.send(Verdict::Refused(Refusal::Closed(why)));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { moved, restarted, closed, stayed, .. } = self.outcome;
        write!(
            f,
            "version {} is live after {}, prepared in {} ms; {moved} consumers moved in {} ms",
            self.version.short(),
            self.previous.short(),
            self.prepared.as_millis(),
            self.moved.as_millis(),
        )?;
        if moved > 0 {
            let longest = self.outcome.held_up.as_secs_f64() * 1_000.0;
            write!(f, ", each held up for at most {longest:.2} ms")?;
        }
        for (count, what) in
            [(restarted, "restarted without state"), (closed, "closed"), (stayed, "stay")]
        {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        if self.reasons.is_empty() { Ok(()) } else { write!(f, ": {}", self.reasons) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(bytes: &[u8]) -> Arc<Build> {
        Arc::new(Build::new(bytes.to_vec(), Err(narrowboat_config::signature::Unsigned::Uploaded)))
    }

    fn deploy() -> Origin {
        Origin::Deploy { by: "ci".to_owned(), force: false }
    }

    fn closing(verdict: Verdict) -> Closing {
        match verdict {
            Verdict::Refused(Refusal::Closed(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_closed_queue_answers_everybody_who_waits() {
        let offers = Offers::default();
        let mut waiting = [offers.put(build(b"a"), deploy()), offers.put(build(b"b"), deploy())];
        offers.close(Closing::Reloaded);
        for waiting in &mut waiting {
            assert_eq!(closing(waiting.try_recv().unwrap()), Closing::Reloaded);
        }
    }

    #[test]
    fn a_queue_that_has_closed_answers_later_offers_at_once() {
        let offers = Offers::default();
        offers.close(Closing::Reloaded);
        offers.close(Closing::Stopping);
        let mut late = offers.put(build(b"late"), deploy());
        assert_eq!(closing(late.try_recv().unwrap()), Closing::Reloaded);
    }

    #[tokio::test]
    async fn an_offer_that_was_taken_and_is_dropped_is_answered() {
        let offers = Offers::default();
        let mut heard = offers.put(build(b"a"), deploy());
        let offer = offers.take().await;
        offers.close(Closing::Stopping);
        assert!(heard.try_recv().is_err());
        drop(offer);
        assert_eq!(closing(heard.try_recv().unwrap()), Closing::Stopping);
    }
}
