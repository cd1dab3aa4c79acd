//! From bytes to a live version: tried, published, its consumers moved, watched for a while, and
//! taken back if it fails too often. ARCHITECTURE.md has the states.

mod budget;
mod offers;
mod preparation;
mod refusal;
mod task;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

pub use offers::{Origin, Report, Verdict};
pub use refusal::{Closing, Refusal};

use crate::versions::{Record, Shelf, ShelfError};
use narrowboat_config::PluginConfig;
use narrowboat_runtime::{Build, Loader, Plugin};
use narrowboat_session::Roster;
use offers::Offers;

/// The one place where a plugin's version changes: one swap at a time.
pub struct Swap {
    roster: Arc<Roster>,
    loader: Arc<Loader>,
    config: PluginConfig,
    offers: Offers,
    /// Where versions are kept, if they are.
    shelf: Option<Arc<Shelf>>,
    /// Whether the live version may still be taken back for its faults.
    on_trial: AtomicBool,
    counts: Counts,
    /// Held by whoever changes which version is live, and by a reload that puts another object in the place of this.
    changing: Arc<Mutex<()>>,
}

/// While this is held, the live version of a plugin stays what it is.
#[derive(Debug)]
pub struct VersionHold(#[expect(dead_code, reason = "it is held")] OwnedMutexGuard<()>);

/// How often each end was reached since the host began.
#[derive(Debug, Default)]
pub struct Counts {
    swaps: AtomicU64,
    refused: AtomicU64,
    taken_back: AtomicU64,
}

/// Counts at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// Versions that became live.
    pub swaps: u64,
    /// Versions that were not taken.
    pub refused: u64,
    /// Versions that were live and failed too often.
    pub taken_back: u64,
}

impl Counts {
    /// The counts now.
    pub fn get(&self) -> Ends {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Ends {
            swaps: load(&self.swaps),
            refused: load(&self.refused),
            taken_back: load(&self.taken_back),
        }
    }
}

impl Swap {
    /// The swaps of one plugin.
    pub fn new(
        roster: Arc<Roster>,
        loader: Arc<Loader>,
        config: PluginConfig,
        shelf: Option<Arc<Shelf>>,
    ) -> Self {
        let (on_trial, counts) = (AtomicBool::new(false), Counts::default());
        let (offers, changing) = (Offers::default(), Arc::default());
        Self { roster, loader, config, offers, shelf, on_trial, counts, changing }
    }

    /// Whose versions these are.
    pub fn plugin(&self) -> &Arc<Plugin> {
        self.roster.plugin()
    }

    /// Who has instances of it.
    pub fn roster(&self) -> &Arc<Roster> {
        &self.roster
    }

    /// Where its versions are kept, if they are.
    pub fn shelf(&self) -> Option<&Arc<Shelf>> {
        self.shelf.as_ref()
    }

    /// The version that waits for an approval, if one does.
    pub fn pending(&self) -> Option<Record> {
        self.shelf.as_ref()?.pending()
    }

    /// Whether the live version may still be taken back for its faults.
    pub fn is_on_trial(&self) -> bool {
        self.on_trial.load(Ordering::Relaxed)
    }

    /// How often each end was reached.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Offers a component as the next version. What a file held before, and still waits, is
    /// superseded. The receiver always gets a verdict, also if the queue closes.
    pub fn offer(&self, build: Arc<Build>, origin: Origin) -> oneshot::Receiver<Verdict> {
        self.offers.put(build, origin)
    }

    /// Takes no further offer, and tells everybody who waits why.
    pub fn close(&self, why: Closing) {
        self.offers.close(why);
    }

    /// Waits until no change of the live version goes on, and holds further ones up.
    pub async fn hold_version(&self) -> VersionHold {
        VersionHold(Arc::clone(&self.changing).lock_owned().await)
    }

    /// Does something to the versions that are kept, if they are, where it holds up no socket.
    async fn shelve<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shelf) -> Result<T, ShelfError> + Send + 'static,
    ) -> Option<Result<T, ShelfError>> {
        let shelf = Arc::clone(self.shelf.as_ref()?);
        tokio::task::spawn_blocking(move || work(&shelf)).await.ok()
    }
}
