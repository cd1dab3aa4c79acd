//! From bytes to a live version: tried, published, its consumers moved, watched for a while, and
//! taken back if it fails too often. ARCHITECTURE.md has the states.

mod budget;
mod offers;
mod refusal;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::Instrument;

pub use offers::{Origin, Report, Verdict};
pub use refusal::Refusal;

use crate::capabilities::{Capabilities, on_top};
use crate::config::PluginConfig;
use crate::fault::one_line;
use crate::journal::TRACE;
use crate::manifest::Isolation;
use crate::plugin::{Build, Candidate, Hash, Loader, MoveError, Plugin, Version, aside};
use crate::session::{Direction, Roster, Summary};
use crate::versions::{Record, Shelf, ShelfError, State};
use budget::Watched;
use offers::{Offer, Offers};

/// Versions that were taken back and are remembered, so that they are not taken again.
const REMEMBERED: usize = 64;

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
}

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

/// A version that fits.
enum Prepared {
    /// It has been tried, and may become live.
    Tried(Arc<Version>),
    /// It asks for this and the live one has not: somebody has to approve.
    AsksMore(Capabilities),
}

/// The task that carries swaps out.
struct Swapper {
    swap: Arc<Swap>,
    watched: Option<Watched>,
    taken_back: VecDeque<Hash>,
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
        Self { roster, loader, config, offers: Offers::default(), shelf, on_trial, counts }
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
    /// superseded.
    pub fn offer(&self, build: Arc<Build>, origin: Origin) -> oneshot::Receiver<Verdict> {
        self.offers.put(build, origin)
    }

    /// Does something to the versions that are kept, if they are, where it holds up no socket.
    async fn shelve<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shelf) -> Result<T, ShelfError> + Send + 'static,
    ) -> Option<Result<T, ShelfError>> {
        let shelf = Arc::clone(self.shelf.as_ref()?);
        tokio::task::spawn_blocking(move || work(&shelf)).await.ok()
    }

    /// The same where nothing can be done about a failure but to tell.
    async fn note(&self, work: impl FnOnce(&Shelf) -> Result<(), ShelfError> + Send + 'static) {
        if let Some(Err(error)) = self.shelve(work).await {
            let plugin = &*self.plugin().label;
            tracing::warn!(plugin, "a restart may bring another version back: {error}");
        }
    }

    /// Carries out swaps as they are offered, for ever.
    pub async fn run(self: Arc<Self>) {
        let taken_back = self.shelf.as_ref().map_or_else(Vec::new, |shelf| shelf.taken_back());
        let mut swapper = Swapper { swap: self, watched: None, taken_back: taken_back.into() };
        loop {
            let offer = tokio::select! {
                offer = swapper.swap.offers.take() => Some(offer),
                failed = watch(swapper.watched.as_ref(), &swapper.swap.roster) => {
                    swapper.end_watch(failed).await;
                    None
                }
            };
            if let Some(offer) = offer {
                let plugin = Arc::clone(swapper.swap.plugin());
                let (plugin, version) = (&*plugin.label, offer.build.digest().short());
                let span = tracing::info_span!(target: TRACE, "swap", plugin, version);
                swapper.carry_out(offer).instrument(span).await;
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
        let name = &*plugin.label;
        let verdict = self.decide(&plugin, &offer).await;
        match &verdict {
            Verdict::Live(report) => {
                self.swap.counts.swaps.fetch_add(1, Ordering::Relaxed);
                tracing::info!(plugin = name, "{report}, by {}", offer.origin.by());
            }
            Verdict::Unchanged(hash) => {
                tracing::debug!(plugin = name, "version {} is live already", hash.short());
            }
            Verdict::Refused(refusal) => {
                self.swap.counts.refused.fetch_add(1, Ordering::Relaxed);
                let live = plugin.live().digest().short();
                let refusal = one_line(&refusal.to_string());
                tracing::warn!(plugin = name, "refused, version {live} stays: {refusal}");
            }
            Verdict::Pending { version, more } => {
                let (version, more) = (version.short(), on_top(&more.words()));
                let which = plugin.tenant.arguments(&plugin.name);
                tracing::warn!(
                    plugin = name,
                    "version {version}, by {}, waits for an approval, since it asks for more than the live one: \
                     {more}; `narrowboat approve {which} {version}` makes it live",
                    offer.origin.by()
                );
            }
            Verdict::Superseded => {}
        }
        offer.answer(verdict);
    }

    async fn decide(&mut self, plugin: &Plugin, offer: &Offer) -> Verdict {
        let hash = offer.build.digest();
        let is_old_news = self.is_old_news(offer).await;
        if plugin.live().digest() == hash || is_old_news {
            return Verdict::Unchanged(hash);
        }
        let asked_for = matches!(offer.origin, Origin::Rollback { .. } | Origin::Approval { .. });
        if !asked_for && self.taken_back.contains(&hash) {
            return Verdict::Refused(Refusal::TakenBack(hash));
        }
        let began = Instant::now();
        let span = tracing::info_span!(target: TRACE, "prepare");
        let version = match self.prepare(offer).instrument(span).await {
            Ok(Prepared::Tried(version)) => version,
            Ok(Prepared::AsksMore(more)) => return self.pend(offer, more).await,
            Err(refusal) => {
                self.note_refused(offer, &refusal).await;
                return Verdict::Refused(refusal);
            }
        };
        if let Err(error) = self.keep(offer).await {
            return Verdict::Refused(Refusal::Unkept(error));
        }
        let previous = plugin.live().digest();
        let span = tracing::info_span!(target: TRACE, "move");
        let verdict = self.publish(version, began.elapsed()).instrument(span).await;
        match &verdict {
            Verdict::Refused(refusal) => {
                let why = refusal.to_string();
                // One that has served before may be wanted once more.
                let state = if asked_for { State::Kept } else { State::Refused };
                self.swap.note(move |shelf| shelf.leave(hash, state, previous, &why)).await;
            }
            _ => self.swap.note(move |shelf| shelf.publish(hash)).await,
        }
        verdict
    }

    /// Whether an offer is what the plugin's file held already when somebody deployed another
    /// version, and the host ended. What the file holds now is noted, unless it is not signed as it has
    /// to be: with a signature it has something new to say, also after a restart.
    async fn is_old_news(&self, offer: &Offer) -> bool {
        let Some(shelf) = self.swap.shelf.as_ref().filter(|_| offer.origin.is_file()) else {
            return false;
        };
        let hash = offer.build.digest();
        if shelf.knows_file(hash) {
            return matches!(offer.origin, Origin::Found(_));
        }
        if self.is_trusted(offer).await {
            self.swap.note(move |shelf| shelf.note_file(hash)).await;
        }
        false
    }

    async fn is_trusted(&self, offer: &Offer) -> bool {
        let (loader, build) = (Arc::clone(&self.swap.loader), Arc::clone(&offer.build));
        aside(move || loader.check_signature(&build).is_ok()).await.unwrap_or(false)
    }

    async fn note_refused(&self, offer: &Offer, refusal: &Refusal) {
        let (build, by) = (Arc::clone(&offer.build), offer.origin.by().to_owned());
        let why = one_line(&refusal.to_string());
        self.swap.note(move |shelf| shelf.refuse(&build, &by, &why)).await;
    }

    /// Keeps a version that is about to be published. What cannot be kept is not taken, unless the
    /// plugin's file has it anyway.
    async fn keep(&self, offer: &Offer) -> Result<(), ShelfError> {
        let (build, by) = (Arc::clone(&offer.build), offer.origin.by().to_owned());
        let is_approval = matches!(offer.origin, Origin::Approval { .. });
        let kept = self.swap.shelve(move |shelf| match is_approval {
            true => shelf.approve(&build, &by),
            false => shelf.keep(&build, &by),
        });
        let kept = kept.await;
        match (kept, &offer.origin) {
            (Some(Err(error)), origin) if origin.is_file() => {
                let plugin = &*self.swap.plugin().label;
                tracing::warn!(plugin, "version {}: {error}", offer.build.digest().short());
                Ok(())
            }
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(())) | None, _) => Ok(()),
        }
    }

    /// Keeps a version that asks for more than the live one until somebody approves.
    async fn pend(&self, offer: &Offer, more: Capabilities) -> Verdict {
        let (build, by) = (Arc::clone(&offer.build), offer.origin.by().to_owned());
        let words = more.words();
        let version = build.digest();
        match self.swap.shelve(move |shelf| shelf.pend(&build, &by, words)).await {
            Some(Ok(())) => Verdict::Pending { version, more },
            Some(Err(error)) => Verdict::Refused(Refusal::Unkept(error)),
            None => Verdict::Refused(Refusal::Unapproved(more)),
        }
    }

    /// Whether a version may have what it asks for, whatever the live one has.
    fn is_cleared(&self, offer: &Offer) -> bool {
        let shelf = self.swap.shelf.as_ref();
        matches!(offer.origin, Origin::Approval { .. })
            || shelf.is_some_and(|shelf| shelf.is_cleared(offer.build.digest()))
    }

    /// Compiles, checks and tries a version. Nothing has happened if it is refused, and nothing of it has run if it asks
    /// for more than the live one.
    async fn prepare(&self, offer: &Offer) -> Result<Prepared, Refusal> {
        let plugin = self.swap.plugin();
        let work = {
            let (swap, plugin) = (Arc::clone(&self.swap), Arc::clone(plugin));
            let (build, origin) = (Arc::clone(&offer.build), offer.origin.clone());
            move || swap.loader.version(&plugin.name, &swap.config, origin.place(), &build)
        };
        let compiled = aside(work).await.ok_or(Refusal::NoThread)?;
        let Candidate { version, isolation } = compiled.map_err(Box::new)?;
        if isolation != plugin.isolation {
            return Err(Refusal::Isolation { running: plugin.isolation, wanted: isolation });
        }
        warn_of_another_name(plugin, &version);
        let more = plugin.live().asks().lacking(version.asks());
        if !more.is_empty() && !self.is_cleared(offer) {
            return Ok(Prepared::AsksMore(more));
        }
        self.try_out(Arc::clone(&version)).await?;
        Ok(Prepared::Tried(version))
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
                let plugin = &*self.swap.plugin().label;
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
        self.swap.on_trial.store(watching, Ordering::Relaxed);
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
        self.swap.on_trial.store(false, Ordering::Relaxed);
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
            self.swap.on_trial.store(false, Ordering::Relaxed);
            roster.forget_left();
            let version = watched.version.digest().short();
            tracing::debug!(plugin = &*plugin.label, "version {version} has stood its trial");
            return;
        }
        let Watched { version, previous, .. } = &watched;
        let Summary { outcome, .. } = self.go_back(previous).await;
        self.taken_back.push_back(version.digest());
        if self.taken_back.len() > REMEMBERED {
            self.taken_back.pop_front();
        }
        self.swap.counts.taken_back.fetch_add(1, Ordering::Relaxed);
        let (back, live, why) = (version.digest(), previous.digest(), watched.count());
        let state = State::RolledBack;
        self.swap.note(move |shelf| shelf.leave(back, state, live, &why)).await;
        tracing::warn!(
            plugin = &*plugin.label,
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

/// Another component may have been given to this plugin by mistake.
fn warn_of_another_name(plugin: &Plugin, version: &Version) {
    let live = plugin.live();
    let (old, new) = (live.own_name(), version.own_name());
    if old != new {
        let (label, digest) = (&*plugin.label, version.digest().short());
        tracing::warn!(
            plugin = label,
            "version {digest} is of a manifest with the name {new:?}, and the live version's has {old:?}; is it the \
             right component?"
        );
    }
}
