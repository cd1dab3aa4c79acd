//! Components that wait to become the live version, in the order in which they were offered.

use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use super::refusal::Refusal;
use crate::capabilities::Capabilities;
use crate::plugin::{Build, Hash, Outcome};

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
            Self::Deploy { by } | Self::Rollback { by } | Self::Approval { by } => by,
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
}

/// A component, and who waits to hear of it.
pub(super) struct Offer {
    pub(super) build: Arc<Build>,
    pub(super) origin: Origin,
    verdict: oneshot::Sender<Verdict>,
}

impl Offers {
    /// Adds an offer. Of what a file held, only the newest counts.
    pub(super) fn put(&self, build: Arc<Build>, origin: Origin) -> oneshot::Receiver<Verdict> {
        let (verdict, heard) = oneshot::channel();
        let offer = Offer { build, origin, verdict };
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let older = match offer.origin.is_file() {
            true => queue.iter().position(|older| older.origin.is_file()),
            false => None,
        };
        let older = older.and_then(|index| queue.remove(index));
        let unwanted = if queue.len() < MOST {
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
        if let Some(unwanted) = unwanted {
            unwanted.answer(Verdict::Refused(Refusal::Busy(MOST)));
        }
        heard
    }

    /// Waits for an offer. Cancel safe.
    pub(super) async fn take(&self) -> Offer {
        loop {
            let offer = self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            if let Some(offer) = offer {
                return offer;
            }
            self.filled.notified().await;
        }
    }
}

impl Offer {
    pub(super) fn answer(self, verdict: Verdict) {
        // Whoever offered it may have stopped listening.
        let _ = self.verdict.send(verdict);
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
