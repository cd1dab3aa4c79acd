//! The task that carries swaps out, one at a time, and takes versions back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tracing::Instrument;

use super::Swap;
use super::budget::Watched;
use super::offers::{Offer, Offers, Origin, Report, Verdict};
use super::preparation::{Failed, Prepared};
use super::refusal::{Closing, Refusal};
use crate::versions::{Shelf, ShelfError, State};
use narrowboat_core::capabilities::{Capabilities, on_top};
use narrowboat_core::fault::one_line;
use narrowboat_core::log_target::TRACE;
use narrowboat_core::manifest::Isolation;
use narrowboat_runtime::{Hash, Version, aside};
use narrowboat_session::{Direction, Roster, Summary};

/// Versions that were taken back and are remembered, so that they are not taken again.
const REMEMBERED: usize = 64;

/// The task that carries swaps out.
struct Swapper {
    swap: Arc<Swap>,
    watched: Option<Watched>,
    taken_back: VecDeque<Hash>,
}

/// Closes a queue when the task that empties it ends, however it ends.
struct ClosedAtEnd<'a>(&'a Offers);

impl Drop for ClosedAtEnd<'_> {
    fn drop(&mut self) {
        // Whoever ended the task on purpose has closed the queue before, and the first reason stays.
        self.0.close(Closing::Failed);
    }
}

impl Swap {
    /// Carries out swaps as they are offered, for ever.
    pub async fn run(self: Arc<Self>) {
        let _closed_at_end = ClosedAtEnd(&self.offers);
        let taken_back = self.shelf.as_ref().map_or_else(Vec::new, |shelf| shelf.taken_back());
        let (swap, taken_back) = (Arc::clone(&self), taken_back.into());
        let mut swapper = Swapper { swap, watched: None, taken_back };
        loop {
            let offer = tokio::select! {
                offer = self.offers.take() => Some(offer),
                failed = watch(swapper.watched.as_ref(), &self.roster) => {
                    swapper.end_watch(failed).await;
                    None
                }
            };
            if let Some(offer) = offer {
                let (plugin, version) = (&*self.plugin().label, offer.build.digest().short());
                let span = tracing::info_span!(target: TRACE, "swap", plugin, version);
                swapper.carry_out(offer).instrument(span).await;
            }
        }
    }

    /// Does something to the versions that are kept where nothing can be done about a failure but to tell.
    async fn note(&self, work: impl FnOnce(&Shelf) -> Result<(), ShelfError> + Send + 'static) {
        if let Some(Err(error)) = self.shelve(work).await {
            let plugin = &*self.plugin().label;
            tracing::warn!(plugin, "a restart may bring another version back: {error}");
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
        let verdict = self.decide(&offer).await;
        self.tell(&offer, &verdict);
        offer.answer(verdict);
    }

    fn tell(&self, offer: &Offer, verdict: &Verdict) {
        let plugin = self.swap.plugin();
        let name = &*plugin.label;
        match verdict {
            Verdict::Live(report) => {
                self.swap.counts.swaps.fetch_add(1, Ordering::Relaxed);
                tracing::info!(plugin = name, "{report}, by {}", offer.origin.by());
            }
            Verdict::Unchanged(hash) if plugin.live().digest() == *hash => {
                tracing::debug!(plugin = name, "version {} is live already", hash.short());
            }
            Verdict::Unchanged(_) if matches!(offer.origin, Origin::Found(_)) => {}
            Verdict::Unchanged(hash) => {
                let (file, live) = (hash.short(), plugin.live().digest().short());
                tracing::info!(
                    plugin = name,
                    "version {live} stays: the file holds version {file}, as it did when {live} was deployed"
                );
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
    }

    async fn decide(&mut self, offer: &Offer) -> Verdict {
        let hash = offer.build.digest();
        loop {
            if let Some(verdict) = self.judge_unseen(offer).await {
                return verdict;
            }
            let began = Instant::now();
            let version = match self.prepare(offer).await {
                // The live version, which this one was compared with, is another.
                None => continue,
                Some(Ok(Prepared::Ready(version))) => version,
                Some(Ok(Prepared::AsksMore(more))) => return self.pend(offer, more).await,
                Some(Err(Failed::Unkept(error))) => {
                    return Verdict::Refused(Refusal::Unkept(error));
                }
                Some(Err(Failed::Unfit(refusal))) => {
                    self.note_refused(offer, &refusal).await;
                    return Verdict::Refused(refusal);
                }
            };
            let file = self.noted_file(offer).await;
            let _hold = self.swap.hold_version().await;
            let previous = self.swap.plugin().live().digest();
            let span = tracing::info_span!(target: TRACE, "move");
            let verdict = self.publish(version, began.elapsed()).instrument(span).await;
            match &verdict {
                Verdict::Refused(refusal) => {
                    let why = refusal.to_string();
                    // One that has served before may be wanted once more.
                    let explicit = offer.origin.is_explicit();
                    let state = if explicit { State::Kept } else { State::Refused };
                    let leave = move |shelf: &Shelf| {
                        shelf.leave(hash, state, previous, &why)?;
                        file.map_or(Ok(()), |file| shelf.note_file(file))
                    };
                    self.swap.note(leave).await;
                }
                _ => {
                    self.taken_back.retain(|back| *back != hash);
                    self.swap.note(move |shelf| shelf.publish(hash, file)).await;
                }
            }
            return verdict;
        }
    }

    /// Judges an offer whose bytes need not be looked at.
    async fn judge_unseen(&self, offer: &Offer) -> Option<Verdict> {
        let hash = offer.build.digest();
        let is_live = self.swap.plugin().live().digest() == hash;
        let is_back = self.taken_back.contains(&hash) && !offer.origin.is_explicit();
        let verdict = if is_live {
            Verdict::Unchanged(hash)
        } else if self.is_old_news(offer, is_back) {
            return Some(Verdict::Unchanged(hash));
        } else if is_back {
            Verdict::Refused(Refusal::TakenBack(hash))
        } else {
            return None;
        };
        if let Some(file) = self.noted_file(offer).await {
            self.swap.note(move |shelf| shelf.note_file(file)).await;
        }
        Some(verdict)
    }

    /// Whether an offer is what the plugin's file held already when somebody deployed another version: a file that is
    /// written again, or read again by a host that starts, does not undo that. Bytes that have never served, because they
    /// were refused or nobody has approved them, may be taken this time.
    fn is_old_news(&self, offer: &Offer, is_back: bool) -> bool {
        let hash = offer.build.digest();
        match (&offer.origin, &self.swap.shelf) {
            (Origin::Found(_), Some(shelf)) => shelf.knows_file(hash),
            (Origin::File(_), Some(shelf)) => {
                let state = shelf.state(hash);
                let may_be_taken = state == Some(State::Refused) || shelf.is_unapproved(hash);
                shelf.knows_file(hash) && !may_be_taken && !is_back
            }
            // Without a shelf there are no deploys.
            _ => false,
        }
    }

    /// What is to be noted of the plugin's file, if an offer comes from it: nothing where it is not signed as it has to
    /// be, since with a signature it has something new to say, also after a restart.
    async fn noted_file(&self, offer: &Offer) -> Option<Hash> {
        let shelf = self.swap.shelf.as_ref().filter(|_| offer.origin.is_file())?;
        let hash = offer.build.digest();
        if shelf.knows_file(hash) {
            return None;
        }
        let (loader, build) = (Arc::clone(&self.swap.loader), Arc::clone(&offer.build));
        let is_trusted = aside(move || loader.check_signature(&build).is_ok()).await;
        is_trusted.unwrap_or(false).then_some(hash)
    }

    async fn note_refused(&self, offer: &Offer, refusal: &Refusal) {
        let (build, by) = (Arc::clone(&offer.build), offer.origin.by().to_owned());
        let why = one_line(&refusal.to_string());
        let file = self.noted_file(offer).await;
        self.swap.note(move |shelf| shelf.refuse(&build, &by, &why, file)).await;
    }

    /// Keeps a version that asks for more than the live one until somebody approves.
    async fn pend(&self, offer: &Offer, more: Capabilities) -> Verdict {
        let (build, by) = (Arc::clone(&offer.build), offer.origin.by().to_owned());
        let words = more.words();
        let version = build.digest();
        let file = self.noted_file(offer).await;
        match self.swap.shelve(move |shelf| shelf.pend(&build, &by, words, file)).await {
            Some(Ok(())) => Verdict::Pending { version, more },
            Some(Err(error)) => Verdict::Refused(Refusal::Unkept(error)),
            None => Verdict::Refused(Refusal::Unapproved(more)),
        }
    }

    /// Prepares a version, and keeps it if it may become live, while the live one goes on being watched. `None` if the live
    /// one was taken back meanwhile.
    async fn prepare(&mut self, offer: &Offer) -> Option<Result<Prepared, Failed>> {
        let swap = Arc::clone(&self.swap);
        let mut checking = Box::pin(swap.check(offer));
        let Some(checked) = self.while_watched(&mut checking).await else {
            // An instance takes one order at a time, so no sample may be asked for while all of them go back.
            drop(checking);
            self.end_watch(true).await;
            return None;
        };
        let version = match checked {
            Ok(Prepared::Ready(version)) => version,
            other => return Some(other.map_err(Failed::Unfit)),
        };
        let mut keeping = Box::pin(swap.keep(offer));
        let Some(kept) = self.while_watched(&mut keeping).await else {
            self.end_watch(true).await;
            // A thread that writes goes on to its end, which must not come after what is noted of the same version next.
            let _ = keeping.await;
            return None;
        };
        Some(kept.map(|()| Prepared::Ready(version)).map_err(Failed::Unkept))
    }

    /// Waits for work while the live version is watched, and ends the watch if its window is over meanwhile. `None` if the
    /// live version has to be taken back first.
    async fn while_watched<T>(
        &mut self,
        work: &mut (impl Future<Output = T> + Unpin),
    ) -> Option<T> {
        let swap = Arc::clone(&self.swap);
        loop {
            let failed = tokio::select! {
                done = &mut *work => return Some(done),
                failed = watch(self.watched.as_ref(), &swap.roster) => failed,
            };
            if failed {
                return None;
            }
            self.end_watch(failed).await;
        }
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
        if watching {
            version.tally().watch_clients();
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
        if failed {
            self.take_back(&watched).await;
            return;
        }
        self.swap.on_trial.store(false, Ordering::Relaxed);
        self.swap.roster.forget_left();
        let (plugin, version) = (self.swap.plugin(), watched.version.digest().short());
        tracing::debug!(plugin = &*plugin.label, "version {version} has stood its trial");
    }

    async fn take_back(&mut self, watched: &Watched) {
        let Watched { version, previous, .. } = watched;
        let _hold = self.swap.hold_version().await;
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
            plugin = &*self.swap.plugin().label,
            "version {} is taken back after {}: {} is live again; {} consumers went back to the \
             state they had left it with, and the changes of {} events are lost; {} restarted, {} \
             closed, {} stay; the same bytes are taken again only with `narrowboat deploy --force`",
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
