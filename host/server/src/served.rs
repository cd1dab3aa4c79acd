//! A plugin that is served, and a worker that works: what goes on for each beside the connections.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, timeout_at};

use narrowboat_config::{LayerConfig, Limits, PluginConfig, WorkerConfig};
use narrowboat_core::component::Role;
use narrowboat_deploy::swap::{Closing, Swap};
use narrowboat_session::{Roster, Worker};

/// What a plugin was made of: if another configuration says the same, it stays.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MadeOf {
    /// Less what may change while it is served.
    pub(super) config: PluginConfig,
    /// What it has of its tenant's, and that of the host's.
    pub(super) limits: Limits,
    pub(super) layer: LayerConfig,
    /// The largest frame that any route takes, in bytes.
    pub(super) max_frame: usize,
}

impl MadeOf {
    /// Whether a plugin made of this serves what `wanted` asks for, too: the roles that it was checked for are enough.
    pub(super) fn serves(&self, wanted: &Self) -> bool {
        let has = |role: Role| self.config.uses.iter().any(|used| used.role == role);
        let roles = wanted.config.uses.iter().all(|used| has(used.role));
        let uses = self.config.uses.clone();
        let config = PluginConfig { uses, ..wanted.config.clone() };
        roles && *self == Self { config, ..wanted.clone() }
    }
}

/// A plugin that is served. With it its swaps end.
pub(super) struct Served {
    pub(super) made_of: MadeOf,
    /// Where its component lies.
    pub(super) file: PathBuf,
    pub(super) swap: Arc<Swap>,
    swapping: Mutex<Option<AbortHandle>>,
}

impl Served {
    pub(super) fn new(made_of: MadeOf, file: PathBuf, swap: Swap) -> Self {
        Self { made_of, file, swap: Arc::new(swap), swapping: Mutex::default() }
    }

    pub(super) fn roster(&self) -> &Arc<Roster> {
        self.swap.roster()
    }

    /// Begins to carry out swaps, unless it has.
    pub(super) fn start(&self) {
        let mut swapping = self.swapping.lock().unwrap_or_else(PoisonError::into_inner);
        swapping.get_or_insert_with(|| tokio::spawn(Arc::clone(&self.swap).run()).abort_handle());
    }

    /// Nothing leads to it any more: its swaps end, whoever waits for one is told so, and whoever still joins it is to be
    /// closed.
    pub(super) fn retire(&self) {
        self.end(Closing::Reloaded);
        self.roster().retire();
    }

    /// Ends its swaps where they stand, since the host ends.
    pub(super) fn stop(&self) {
        self.end(Closing::Stopping);
    }

    fn end(&self, why: Closing) {
        self.swap.close(why);
        let mut swapping = self.swapping.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(swapping) = swapping.take() {
            swapping.abort();
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A worker that takes messages.
pub(super) struct Working {
    pub(super) config: WorkerConfig,
    roster: Arc<Roster>,
    stop: watch::Sender<bool>,
    work: Mutex<Option<JoinHandle<()>>>,
}

impl Working {
    pub(super) fn new(roster: Arc<Roster>, config: WorkerConfig) -> Self {
        Self { config, roster, stop: watch::Sender::new(false), work: Mutex::default() }
    }

    /// Whether it does for a plugin what a configuration asks for.
    pub(super) fn is_for(&self, roster: &Arc<Roster>, config: &WorkerConfig) -> bool {
        Arc::ptr_eq(&self.roster, roster) && self.config == *config
    }

    /// Begins to take messages, unless it has.
    pub(super) fn start(&self) {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        work.get_or_insert_with(|| {
            let worker = Worker::new(Arc::clone(&self.roster), self.config.clone());
            tokio::spawn(Arc::new(worker).run(self.stop.subscribe()))
        });
    }

    /// Takes no further message.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until it is done with those it has, until `end`: whether it was.
    pub(super) async fn finish(&self, end: Instant) -> bool {
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut work) = work else { return true };
        let done = timeout_at(end, &mut work).await.is_ok();
        work.abort();
        done
    }
}
