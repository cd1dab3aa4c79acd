//! The workers of a host, while it serves.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::host::Host;

/// The running workers. Dropped, they end where they stand.
pub(super) struct Workers {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Workers {
    /// Has every worker of a host take messages.
    pub(super) fn start(host: &Host) -> Self {
        let stop = watch::Sender::new(false);
        let mut tasks = JoinSet::new();
        for worker in host.workers() {
            tasks.spawn(Arc::clone(worker).run(stop.subscribe()));
        }
        Self { stop, tasks }
    }

    /// Has no further message taken, and waits for those that were until `end`.
    pub(super) async fn stop(mut self, end: Instant) {
        self.stop.send_replace(true);
        let done = async { while self.tasks.join_next().await.is_some() {} };
        if timeout_at(end, done).await.is_err() {
            tracing::warn!("workers were not done with their messages, which are lost");
        }
    }
}
