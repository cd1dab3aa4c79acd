//! Components that wait to become the live version, in the order in which they were offered.

use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use super::deploy_error::{DeployError, QueueCloseReason};
use narrowboat_core::capabilities::Capabilities;
use narrowboat_runtime::{Build, MigrationStats, Sha256Digest};

/// What became of a component that was offered.
#[derive(Debug)]
pub enum DeployOutcome {
    /// It is live.
    Live(DeployReport),
    /// It was live already.
    Unchanged(Sha256Digest),
    /// It requests more capabilities than the live version, and is kept until somebody approves.
    Pending {
        /// The version.
        version: Sha256Digest,
        /// What it asks for and the live one has not.
        extra_capabilities: Capabilities,
    },
    /// A newer one was offered before its turn came.
    Superseded,
    /// It is not taken.
    Refused(DeployError),
}

/// How a swap went.
#[derive(Debug)]
pub struct DeployReport {
    /// The version that is live now.
    pub version: Sha256Digest,
    /// The one before.
    pub previous: Sha256Digest,
    /// What became of the consumers.
    pub stats: MigrationStats,
    /// Why not all of them moved, with how many each time.
    pub failure_reasons: String,
    /// From the offer's turn to the end of the trial.
    pub prepare_duration: Duration,
    /// From the publishing to the last consumer's move.
    pub move_duration: Duration,
}

/// Who offers a component, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeploySource {
    /// The plugin's file held it when the host began.
    StartupFile(PathBuf),
    /// The plugin's file was written.
    ChangedFile(PathBuf),
    /// Somebody uploaded it.
    Deploy {
        /// The name of the token.
        by: String,
        /// Even if the same bytes were rolled back once.
        force: bool,
    },
    /// Somebody wants it back.
    Rollback {
        /// The name of the token.
        by: String,
    },
    /// Somebody lets it have the capabilities that it requests.
    Approval {
        /// The name of the token.
        by: String,
    },
}

impl DeploySource {
    /// Who offers it, for people.
    pub fn requested_by(&self) -> &str {
        match self {
            Self::StartupFile(_) | Self::ChangedFile(_) => "file",
            Self::Deploy { by, .. } | Self::Rollback { by } | Self::Approval { by } => by,
        }
    }

    /// Where it comes from, for errors.
    pub fn display_path(&self) -> &Path {
        match self {
            Self::StartupFile(file) | Self::ChangedFile(file) => file,
            Self::Deploy { .. } => Path::new("the upload"),
            Self::Rollback { .. } | Self::Approval { .. } => Path::new("the kept version"),
        }
    }

    /// Whether somebody asks for just these bytes, whatever became of them before.
    pub(super) fn is_explicit(&self) -> bool {
        match self {
            Self::StartupFile(_) | Self::ChangedFile(_) => false,
            Self::Deploy { force, .. } => *force,
            Self::Rollback { .. } | Self::Approval { .. } => true,
        }
    }

    /// Whether it is what the plugin's file holds.
    pub(super) fn is_from_file(&self) -> bool {
        matches!(self, Self::StartupFile(_) | Self::ChangedFile(_))
    }
}

/// Components that wait; more are turned away.
const MAX_QUEUED: usize = 16;

/// Components, while they wait.
#[derive(Default)]
pub(super) struct DeployQueue {
    queue: Mutex<VecDeque<DeployRequest>>,
    notify: Notify,
    /// Why nothing is taken out any more; whoever still waits is told so.
    close_reason: Arc<OnceLock<QueueCloseReason>>,
}

/// A component, and who waits to hear of it. Dropped without a verdict, it says that the queue has closed.
pub(super) struct DeployRequest {
    pub(super) build: Arc<Build>,
    pub(super) source: DeploySource,
    reply: Option<oneshot::Sender<DeployOutcome>>,
    close_reason: Arc<OnceLock<QueueCloseReason>>,
}

impl DeployQueue {
    /// Adds an offer. Of what a file held, only the newest counts. The receiver always gets a verdict.
    pub(super) fn push(
        &self,
        build: Arc<Build>,
        origin: DeploySource,
    ) -> oneshot::Receiver<DeployOutcome> {
        let (verdict, heard) = oneshot::channel();
        let closed = Arc::clone(&self.close_reason);
        let offer =
            DeployRequest { build, source: origin, reply: Some(verdict), close_reason: closed };
        let mut queue = self.lock();
        let older = match offer.source.is_from_file() {
            true => queue.iter().position(|older| older.source.is_from_file()),
            false => None,
        };
        let older = older.and_then(|index| queue.remove(index));
        // Looked at under the lock, so that `close` finds every offer that was not turned away here.
        let is_closed = self.close_reason.get().is_some();
        let unwanted = if queue.len() < MAX_QUEUED && !is_closed {
            queue.push_back(offer);
            None
        } else {
            Some(offer)
        };
        drop(queue);
        self.notify.notify_one();
        if let Some(older) = older {
            older.complete(DeployOutcome::Superseded);
        }
        // Dropped, it says why the queue has closed.
        if let Some(unwanted) = unwanted.filter(|_| !is_closed) {
            unwanted.complete(DeployOutcome::Refused(DeployError::QueueFull(MAX_QUEUED)));
        }
        heard
    }

    /// Waits for an offer. Cancel safe.
    pub(super) async fn pop(&self) -> DeployRequest {
        loop {
            let offer = self.lock().pop_front();
            if let Some(offer) = offer {
                return offer;
            }
            self.notify.notified().await;
        }
    }

    /// Takes no further offer, and tells everybody who waits why. The first reason stays.
    pub(super) fn close(&self, why: QueueCloseReason) {
        let mut queue = self.lock();
        let _ = self.close_reason.set(why);
        let waiting = std::mem::take(&mut *queue);
        drop(queue);
        drop(waiting);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<DeployRequest>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DeployRequest {
    pub(super) fn complete(mut self, verdict: DeployOutcome) {
        self.send_outcome(verdict);
    }

    fn send_outcome(&mut self, verdict: DeployOutcome) {
        if let Some(sender) = self.reply.take() {
            // Whoever offered it may have stopped listening.
            let _ = sender.send(verdict);
        }
    }
}

impl Drop for DeployRequest {
    fn drop(&mut self) {
        let why = self.close_reason.get().copied().unwrap_or(QueueCloseReason::TaskFailed);
        self.send_outcome(DeployOutcome::Refused(DeployError::Closed(why)));
    }
}

impl fmt::Display for DeployReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MigrationStats { moved, restarted, closed, kept_old: stayed, .. } = self.stats;
        write!(
            f,
            "version {} is live after {}, prepared in {} ms; {moved} consumers moved in {} ms",
            self.version.short_hex(),
            self.previous.short_hex(),
            self.prepare_duration.as_millis(),
            self.move_duration.as_millis(),
        )?;
        if moved > 0 {
            let longest = self.stats.max_pause.as_secs_f64() * 1_000.0;
            write!(f, ", each held up for at most {longest:.2} ms")?;
        }
        for (count, what) in
            [(restarted, "restarted without state"), (closed, "closed"), (stayed, "stay")]
        {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        if self.failure_reasons.is_empty() {
            Ok(())
        } else {
            write!(f, ": {}", self.failure_reasons)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(bytes: &[u8]) -> Arc<Build> {
        Arc::new(Build::new(
            bytes.to_vec(),
            Err(narrowboat_config::signature::MissingSignature::NotInUpload),
        ))
    }

    fn deploy() -> DeploySource {
        DeploySource::Deploy { by: "ci".to_owned(), force: false }
    }

    fn closing(verdict: DeployOutcome) -> QueueCloseReason {
        match verdict {
            DeployOutcome::Refused(DeployError::Closed(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_closed_queue_answers_everybody_who_waits() {
        let offers = DeployQueue::default();
        let mut waiting = [offers.push(build(b"a"), deploy()), offers.push(build(b"b"), deploy())];
        offers.close(QueueCloseReason::Reloaded);
        for waiting in &mut waiting {
            assert_eq!(closing(waiting.try_recv().unwrap()), QueueCloseReason::Reloaded);
        }
    }

    #[test]
    fn a_queue_that_has_closed_answers_later_offers_at_once() {
        let offers = DeployQueue::default();
        offers.close(QueueCloseReason::Reloaded);
        offers.close(QueueCloseReason::Stopping);
        let mut late = offers.push(build(b"late"), deploy());
        assert_eq!(closing(late.try_recv().unwrap()), QueueCloseReason::Reloaded);
    }

    #[tokio::test]
    async fn an_offer_that_was_taken_and_is_dropped_is_answered() {
        let offers = DeployQueue::default();
        let mut heard = offers.push(build(b"a"), deploy());
        let offer = offers.pop().await;
        offers.close(QueueCloseReason::Stopping);
        assert!(heard.try_recv().is_err());
        drop(offer);
        assert_eq!(closing(heard.try_recv().unwrap()), QueueCloseReason::Stopping);
    }
}
