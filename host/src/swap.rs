//! From bytes to a live version: tried, published, its consumers moved, watched for a while, and
//! taken back if it fails too often. ARCHITECTURE.md has the states.

mod budget;
mod offers;
mod refusal;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

pub use offers::{Report, Verdict};
pub use refusal::Refusal;

use crate::config::PluginConfig;
use crate::fault::one_line;
use crate::manifest::Isolation;
use crate::plugin::{Build, Candidate, Hash, Loader, MoveError, Plugin, Version, aside};
use crate::session::{Direction, Roster, Summary};
use budget::Watched;
use offers::{Offer, Offers};

/// Versions that were taken back and are remembered, so that they are not taken again.
const REMEMBERED: usize = 64;

/// The one place where a plugin's version changes: one swap at a time, the newest bytes first.
pub struct Swap {
    roster: Arc<Roster>,
    loader: Arc<Loader>,
    config: PluginConfig,
    offers: Offers,
}

/// The task that carries swaps out.
struct Swapper {
    swap: Arc<Swap>,
    watched: Option<Watched>,
    taken_back: VecDeque<Hash>,
}

impl Swap {
    /// The swaps of one plugin.
    pub fn new(roster: Arc<Roster>, loader: Arc<Loader>, config: PluginConfig) -> Self {
        Self { roster, loader, config, offers: Offers::default() }
    }

    /// Whose versions these are.
    pub fn plugin(&self) -> &Arc<Plugin> {
        self.roster.plugin()
    }

    /// Offers a component, read from `file`, as the next version. One that still waits is
    /// superseded.
    pub fn offer(&self, build: Arc<Build>, file: PathBuf) -> oneshot::Receiver<Verdict> {
        self.offers.put(build, file)
    }

    /// Carries out swaps as they are offered, for ever.
    pub async fn run(self: Arc<Self>) {
        let mut swapper = Swapper { swap: self, watched: None, taken_back: VecDeque::new() };
        loop {
            let offer = tokio::select! {
                offer = swapper.swap.offers.take() => Some(offer),
                failed = watch(swapper.watched.as_ref(), &swapper.swap.roster) => {
                    swapper.end_watch(failed).await;
                    None
                }
            };
            if let Some(offer) = offer {
                swapper.carry_out(offer).await;
            }
        }
    }
}

/// Waits for the end of the window; true if the version has to be taken back.
async fn watch(watched: Option<&Watched>, roster: &Roster) -> bool {
    let Some(watched) = watched else { return std::future::pending().await };
    tokio::select! {
        () = roster.went_back() => true,
        failed = watched.wait() => failed,
    }
}

impl Swapper {
    async fn carry_out(&mut self, offer: Offer) {
        let plugin = Arc::clone(self.swap.plugin());
        let name = &*plugin.name;
        let verdict = self.decide(&plugin, &offer).await;
        match &verdict {
            Verdict::Live(report) => tracing::info!(plugin = name, "{report}"),
            Verdict::Unchanged(hash) => {
                tracing::debug!(plugin = name, "version {} is live already", hash.short());
            }
            Verdict::Refused(refusal) => {
                let live = plugin.live().digest().short();
                let refusal = one_line(&refusal.to_string());
                tracing::warn!(plugin = name, "refused, version {live} stays: {refusal}");
            }
            Verdict::Superseded => {}
        }
        offer.answer(verdict);
    }

    async fn decide(&mut self, plugin: &Plugin, offer: &Offer) -> Verdict {
        let hash = offer.build.digest();
        if plugin.live().digest() == hash {
            return Verdict::Unchanged(hash);
        }
        if self.taken_back.contains(&hash) {
            return Verdict::Refused(Refusal::TakenBack(hash));
        }
        let began = Instant::now();
        let version = match self.prepare(offer).await {
            Ok(version) => version,
            Err(refusal) => return Verdict::Refused(refusal),
        };
        self.publish(version, began.elapsed()).await
    }

    /// Compiles, checks and tries a version. Nothing has happened if it is refused.
    async fn prepare(&self, offer: &Offer) -> Result<Arc<Version>, Refusal> {
        let plugin = self.swap.plugin();
        let work = {
            let (swap, plugin) = (Arc::clone(&self.swap), Arc::clone(plugin));
            let (build, file) = (Arc::clone(&offer.build), offer.file.clone());
            move || swap.loader.version(&plugin.name, &swap.config, &file, &build)
        };
        let compiled = aside(work).await.ok_or(Refusal::NoThread)?;
        let Candidate { version, isolation } = compiled.map_err(Box::new)?;
        if isolation != plugin.isolation {
            return Err(Refusal::Isolation { running: plugin.isolation, wanted: isolation });
        }
        self.try_out(Arc::clone(&version)).await?;
        Ok(version)
    }

    /// Tries a version on a store that is thrown away, with the state of now if there is any.
    async fn try_out(&self, version: Arc<Version>) -> Result<(), Refusal> {
        let sample = match self.swap.roster.sample().await {
            None => None,
            Some(Ok(sample)) => Some(sample),
            Some(Err(error)) if self.swap.plugin().isolation == Isolation::Shared => {
                return Err(Refusal::Trial(error));
            }
            Some(Err(error)) => {
                let plugin = &*self.swap.plugin().name;
                tracing::warn!(plugin, "tried without the state of a connection: {error}");
                None
            }
        };
        let trial = aside(move || match sample {
            Some(sample) => sample.try_on(version),
            None => version.try_start().map_err(MoveError::Start),
        });
        trial.await.ok_or(Refusal::NoThread)?.map_err(Refusal::Trial)
    }

    /// Makes a version live and moves everyone to it. Where consumers share an instance that does
    /// not move, all goes back to what it was.
    async fn publish(&mut self, version: Arc<Version>, prepared: Duration) -> Verdict {
        let (roster, plugin) = (&self.swap.roster, self.swap.plugin());
        let previous = plugin.live();
        let watching = plugin.rollback.window.duration() > Duration::ZERO;
        // The watch over an older one ends with this.
        self.watched = None;
        roster.forget_left();
        if watching || plugin.isolation == Isolation::Shared {
            roster.keep_left();
        }
        let began = Instant::now();
        plugin.publish(Arc::clone(&version));
        let summary = roster.move_all(&version, Direction::On).await;
        if summary.unmoved > 0 && plugin.isolation == Isolation::Shared {
            self.go_back(&previous).await;
            return Verdict::Refused(Refusal::Move(reasons(&summary)));
        }
        let report = Report {
            version: version.digest(),
            previous: previous.digest(),
            outcome: summary.outcome,
            reasons: reasons(&summary),
            prepared,
            moved: began.elapsed(),
        };
        if watching {
            self.watched = Some(Watched::new(version, previous, plugin.rollback));
        } else {
            roster.forget_left();
        }
        Verdict::Live(report)
    }

    /// Makes the version before live again and takes everyone back to it.
    async fn go_back(&self, previous: &Arc<Version>) -> Summary {
        self.swap.plugin().publish(Arc::clone(previous));
        let summary = self.swap.roster.move_all(previous, Direction::Back).await;
        self.swap.roster.forget_left();
        summary
    }

    /// The window of a version is over, or the version `failed` in it.
    async fn end_watch(&mut self, failed: bool) {
        let Some(watched) = self.watched.take() else { return };
        let (roster, plugin) = (&self.swap.roster, self.swap.plugin());
        if !failed {
            roster.forget_left();
            let version = watched.version.digest().short();
            tracing::debug!(plugin = &*plugin.name, "version {version} has stood its trial");
            return;
        }
        let Watched { version, previous, .. } = &watched;
        let Summary { outcome, .. } = self.go_back(previous).await;
        self.taken_back.push_back(version.digest());
        if self.taken_back.len() > REMEMBERED {
            self.taken_back.pop_front();
        }
        tracing::warn!(
            plugin = &*plugin.name,
            "version {} is taken back after {}: {} is live again; {} consumers went back to the \
             state they had left it with, and the changes of {} events are lost; {} restarted, {} \
             closed, {} stay; the same bytes will not be taken again",
            version.digest().short(),
            watched.count(),
            previous.digest().short(),
            outcome.moved,
            outcome.undone,
            outcome.restarted,
            outcome.closed,
            outcome.stayed,
        );
    }
}

fn reasons(summary: &Summary) -> String {
    let mut reasons: Vec<_> = summary.reasons.iter().collect();
    reasons.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    let reasons: Vec<_> = reasons.iter().map(|(why, times)| format!("{why} ({times}×)")).collect();
    reasons.join("; ")
}
