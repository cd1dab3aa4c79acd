//! The queue of deploy requests of one plugin.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::{Notify, oneshot};

use super::deploy_error::{DeployError, QueueCloseReason};
use super::deploy_outcome::DeployOutcome;
use super::deploy_source::DeploySource;
use narrowboat_runtime::Build;

/// The most requests that wait. Further ones are refused.
const MAX_QUEUED: usize = 16;

/// The deploy requests that wait, in their order.
#[derive(Default)]
pub(super) struct DeployQueue {
    queue: Mutex<VecDeque<DeployRequest>>,
    notify: Notify,
    /// Set when the queue closes. Requests that are dropped without an outcome report it.
    close_reason: Arc<OnceLock<QueueCloseReason>>,
}

/// A component to deploy, and the channel for the outcome. If it is dropped without an outcome, it reports that the
/// queue has closed.
pub(super) struct DeployRequest {
    pub(super) build: Arc<Build>,
    pub(super) source: DeploySource,
    reply: Option<oneshot::Sender<DeployOutcome>>,
    close_reason: Arc<OnceLock<QueueCloseReason>>,
}

impl DeployQueue {
    /// Adds a request. A request from the component file supersedes an older one. The receiver always gets an outcome.
    pub(super) fn push(
        &self,
        build: Arc<Build>,
        source: DeploySource,
    ) -> oneshot::Receiver<DeployOutcome> {
        let (reply, outcome) = oneshot::channel();
        let close_reason = Arc::clone(&self.close_reason);
        let request = DeployRequest { build, source, reply: Some(reply), close_reason };
        let mut queue = self.lock();
        let superseded = match request.source.is_from_file() {
            true => queue.iter().position(|older| older.source.is_from_file()),
            false => None,
        };
        let superseded = superseded.and_then(|index| queue.remove(index));
        // Read under the lock, so that `close` finds every request that is added here.
        let is_closed = self.close_reason.get().is_some();
        let refused = if queue.len() < MAX_QUEUED && !is_closed {
            queue.push_back(request);
            None
        } else {
            Some(request)
        };
        drop(queue);
        self.notify.notify_one();
        if let Some(superseded) = superseded {
            superseded.complete(DeployOutcome::Superseded);
        }
        // If the queue has closed, dropping the request reports why.
        if let Some(refused) = refused.filter(|_| !is_closed) {
            refused.complete(DeployOutcome::Refused(DeployError::QueueFull(MAX_QUEUED)));
        }
        outcome
    }

    /// Waits for the next request. Cancel-safe.
    pub(super) async fn pop(&self) -> DeployRequest {
        loop {
            let request = self.lock().pop_front();
            if let Some(request) = request {
                return request;
            }
            self.notify.notified().await;
        }
    }

    /// Refuses the waiting requests and all later ones with a reason. Further calls do not change the reason.
    pub(super) fn close(&self, reason: QueueCloseReason) {
        let mut queue = self.lock();
        let _ = self.close_reason.set(reason);
        let waiting = std::mem::take(&mut *queue);
        drop(queue);
        drop(waiting);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<DeployRequest>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DeployRequest {
    /// Reports the outcome.
    pub(super) fn complete(mut self, outcome: DeployOutcome) {
        self.send_outcome(outcome);
    }

    fn send_outcome(&mut self, outcome: DeployOutcome) {
        if let Some(sender) = self.reply.take() {
            // The requester may have gone.
            let _ = sender.send(outcome);
        }
    }
}

impl Drop for DeployRequest {
    fn drop(&mut self) {
        let reason = self.close_reason.get().copied().unwrap_or(QueueCloseReason::TaskFailed);
        self.send_outcome(DeployOutcome::Refused(DeployError::Closed(reason)));
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

    fn close_reason(outcome: DeployOutcome) -> QueueCloseReason {
        match outcome {
            DeployOutcome::Refused(DeployError::Closed(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn closing_the_queue_refuses_the_waiting_requests() {
        let queue = DeployQueue::default();
        let mut waiting = [queue.push(build(b"a"), deploy()), queue.push(build(b"b"), deploy())];
        queue.close(QueueCloseReason::Reloaded);
        for waiting in &mut waiting {
            assert_eq!(close_reason(waiting.try_recv().unwrap()), QueueCloseReason::Reloaded);
        }
    }

    #[test]
    fn a_closed_queue_refuses_later_requests_at_once() {
        let queue = DeployQueue::default();
        queue.close(QueueCloseReason::Reloaded);
        queue.close(QueueCloseReason::Stopping);
        let mut late = queue.push(build(b"late"), deploy());
        assert_eq!(close_reason(late.try_recv().unwrap()), QueueCloseReason::Reloaded);
    }

    #[tokio::test]
    async fn a_request_that_is_dropped_after_it_left_the_queue_reports_the_close_reason() {
        let queue = DeployQueue::default();
        let mut outcome = queue.push(build(b"a"), deploy());
        let request = queue.pop().await;
        queue.close(QueueCloseReason::Stopping);
        assert!(outcome.try_recv().is_err());
        drop(request);
        assert_eq!(close_reason(outcome.try_recv().unwrap()), QueueCloseReason::Stopping);
    }
}
