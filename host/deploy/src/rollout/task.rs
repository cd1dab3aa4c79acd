//! The task that carries swaps out, one at a time, and takes versions back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tracing::Instrument;

use super::Rollout;
use super::canary_window::CanaryWindow;
use super::deploy_error::{DeployError, QueueCloseReason};
use super::deploy_queue::{DeployOutcome, DeployQueue, DeployReport, DeployRequest, DeploySource};
use super::preparation::{PrepareError, PrepareOutcome};
use crate::versions::{PluginVersionStore, PluginVersionStoreError, VersionState};
use narrowboat_core::capabilities::{Capabilities, format_missing};
use narrowboat_core::fault::sanitize_log_line;
use narrowboat_core::log_target::TRACE;
use narrowboat_core::manifest::Isolation;
use narrowboat_runtime::{Sha256Digest, Version, run_on_dedicated_thread};
use narrowboat_session::{Direction, InstanceRegistry, MigrationSummary};

/// Versions that were rolled back and are remembered, so that they are not taken again.
const MAX_ROLLED_BACK: usize = 64;

/// The task that carries swaps out.
struct RolloutTask {
    rollout: Arc<Rollout>,
    canary: Option<CanaryWindow>,
    rolled_back: VecDeque<Sha256Digest>,
}

/// Closes a queue when the task that empties it ends, however it ends.
struct CloseQueueOnDrop<'a>(&'a DeployQueue);

impl Drop for CloseQueueOnDrop<'_> {
    fn drop(&mut self) {
        // Whoever ended the task on purpose has closed the queue before, and the first reason stays.
        self.0.close(QueueCloseReason::TaskFailed);
    }
}

impl Rollout {
    /// Carries out swaps as they are offered, for ever.
    pub async fn run(self: Arc<Self>) {
        let _closed_at_end = CloseQueueOnDrop(&self.queue);
        let taken_back = self.store.as_ref().map_or_else(Vec::new, |shelf| shelf.rolled_back());
        let (swap, taken_back) = (Arc::clone(&self), taken_back.into());
        let mut swapper = RolloutTask { rollout: swap, canary: None, rolled_back: taken_back };
        loop {
            let offer = tokio::select! {
                offer = self.queue.pop() => Some(offer),
                failed = wait_for_window_end(swapper.canary.as_ref(), &self.registry) => {
                    swapper.finish_window(failed).await;
                    None
                }
            };
            if let Some(offer) = offer {
                let (plugin, version) = (&*self.plugin().label, offer.build.digest().short_hex());
                let span = tracing::info_span!(target: TRACE, "swap", plugin, version);
                swapper.process(offer).instrument(span).await;
            }
        }
    }

    /// Does something to the versions that are kept where nothing can be done about a failure but to tell.
    async fn update_store_or_warn(
        &self,
        work: impl FnOnce(&PluginVersionStore) -> Result<(), PluginVersionStoreError> + Send + 'static,
    ) {
        if let Some(Err(error)) = self.with_store(work).await {
            let plugin = &*self.plugin().label;
            tracing::warn!(plugin, "a restart may bring another version back: {error}");
        }
    }
}

/// Waits for the end of the window; true if the version has to be rolled back.
async fn wait_for_window_end(watched: Option<&CanaryWindow>, roster: &InstanceRegistry) -> bool {
    let Some(watched) = watched else { return std::future::pending().await };
    tokio::select! {
        () = roster.wait_for_self_rollback() => true,
        failed = watched.wait_for_end() => failed,
    }
}

impl RolloutTask {
    async fn process(&mut self, offer: DeployRequest) {
        let verdict = self.deploy(&offer).await;
        self.log_outcome(&offer, &verdict);
        offer.complete(verdict);
    }

    fn log_outcome(&self, offer: &DeployRequest, verdict: &DeployOutcome) {
        let plugin = self.rollout.plugin();
        let name = &*plugin.label;
        match verdict {
            DeployOutcome::Live(report) => {
                self.rollout.counters.published.fetch_add(1, Ordering::Relaxed);
                tracing::info!(plugin = name, "{report}, by {}", offer.source.requested_by());
            }
            DeployOutcome::Unchanged(hash) if plugin.live_version().digest() == *hash => {
                tracing::debug!(plugin = name, "version {} is live already", hash.short_hex());
            }
            DeployOutcome::Unchanged(_) if matches!(offer.source, DeploySource::StartupFile(_)) => {
            }
            DeployOutcome::Unchanged(hash) => {
                let (file, live) = (hash.short_hex(), plugin.live_version().digest().short_hex());
                tracing::info!(
                    plugin = name,
                    "version {live} stays: the file holds version {file}, as it did when {live} was deployed"
                );
            }
            DeployOutcome::Refused(refusal) => {
                self.rollout.counters.refused.fetch_add(1, Ordering::Relaxed);
                let live = plugin.live_version().digest().short_hex();
                let refusal = sanitize_log_line(&refusal.to_string());
                tracing::warn!(plugin = name, "refused, version {live} stays: {refusal}");
            }
            DeployOutcome::Pending { version, extra_capabilities: more } => {
                let (version, more) = (version.short_hex(), format_missing(&more.descriptions()));
                let which = plugin.tenant.arguments(&plugin.name);
                tracing::warn!(
                    plugin = name,
                    "version {version}, by {}, waits for an approval, since it requests more capabilities than the live one: \
                     {more}; `narrowboat approve {which} {version}` makes it live",
                    offer.source.requested_by()
                );
            }
            DeployOutcome::Superseded => {}
        }
    }

    async fn deploy(&mut self, offer: &DeployRequest) -> DeployOutcome {
        let hash = offer.build.digest();
        loop {
            if let Some(verdict) = self.decide_without_loading(offer).await {
                return verdict;
            }
            let began = Instant::now();
            let version = match self.prepare(offer).await {
                // The live version, which this one was compared with, is another.
                None => continue,
                Some(Ok(PrepareOutcome::Ready(version))) => version,
                Some(Ok(PrepareOutcome::NeedsApproval(more))) => {
                    return self.hold_for_approval(offer, more).await;
                }
                Some(Err(PrepareError::Store(error))) => {
                    return DeployOutcome::Refused(DeployError::Store(error));
                }
                Some(Err(PrepareError::Rejected(refusal))) => {
                    self.record_refusal(offer, &refusal).await;
                    return DeployOutcome::Refused(refusal);
                }
            };
            let file = self.file_hash_to_record(offer).await;
            let _hold = self.rollout.lock_version().await;
            let previous = self.rollout.plugin().live_version().digest();
            let span = tracing::info_span!(target: TRACE, "move");
            let verdict = self.publish(version, began.elapsed()).instrument(span).await;
            match &verdict {
                DeployOutcome::Refused(refusal) => {
                    let why = refusal.to_string();
                    // One that has served before may be wanted once more.
                    let explicit = offer.source.is_explicit();
                    let state = if explicit { VersionState::Kept } else { VersionState::Refused };
                    let leave = move |shelf: &PluginVersionStore| {
                        shelf.record_failure(hash, state, previous, &why)?;
                        file.map_or(Ok(()), |file| shelf.record_source_hash(file))
                    };
                    self.rollout.update_store_or_warn(leave).await;
                }
                _ => {
                    self.rolled_back.retain(|back| *back != hash);
                    self.rollout
                        .update_store_or_warn(move |shelf| shelf.record_published(hash, file))
                        .await;
                }
            }
            return verdict;
        }
    }

    /// Judges an offer whose bytes need not be looked at.
    async fn decide_without_loading(&self, offer: &DeployRequest) -> Option<DeployOutcome> {
        let hash = offer.build.digest();
        let is_live = self.rollout.plugin().live_version().digest() == hash;
        let is_back = self.rolled_back.contains(&hash) && !offer.source.is_explicit();
        let verdict = if is_live {
            DeployOutcome::Unchanged(hash)
        } else if self.is_already_seen(offer, is_back) {
            return Some(DeployOutcome::Unchanged(hash));
        } else if is_back {
            DeployOutcome::Refused(DeployError::RolledBack(hash))
        } else {
            return None;
        };
        if let Some(file) = self.file_hash_to_record(offer).await {
            self.rollout.update_store_or_warn(move |shelf| shelf.record_source_hash(file)).await;
        }
        Some(verdict)
    }

    /// Whether an offer is what the plugin's file held already when somebody deployed another version: a file that is
    /// written again, or read again by a host that starts, does not undo that. Bytes that have never served, because they
    /// were refused or nobody has approved them, may be taken this time.
    fn is_already_seen(&self, offer: &DeployRequest, is_back: bool) -> bool {
        let hash = offer.build.digest();
        match (&offer.source, &self.rollout.store) {
            (DeploySource::StartupFile(_), Some(shelf)) => shelf.is_known_source_hash(hash),
            (DeploySource::ChangedFile(_), Some(shelf)) => {
                let state = shelf.state(hash);
                let may_be_taken =
                    state == Some(VersionState::Refused) || shelf.is_awaiting_approval(hash);
                shelf.is_known_source_hash(hash) && !may_be_taken && !is_back
            }
            // Without a shelf there are no deploys.
            _ => false,
        }
    }

    /// What is to be noted of the plugin's file, if an offer comes from it: nothing where it is not signed as it has to
    /// be, since with a signature it has something new to say, also after a restart.
    async fn file_hash_to_record(&self, offer: &DeployRequest) -> Option<Sha256Digest> {
        let shelf = self.rollout.store.as_ref().filter(|_| offer.source.is_from_file())?;
        let hash = offer.build.digest();
        if shelf.is_known_source_hash(hash) {
            return None;
        }
        let (loader, build) = (Arc::clone(&self.rollout.loader), Arc::clone(&offer.build));
        let is_trusted =
            run_on_dedicated_thread(move || loader.check_signature(&build).is_ok()).await;
        is_trusted.unwrap_or(false).then_some(hash)
    }

    async fn record_refusal(&self, offer: &DeployRequest, refusal: &DeployError) {
        let (build, by) = (Arc::clone(&offer.build), offer.source.requested_by().to_owned());
        let why = sanitize_log_line(&refusal.to_string());
        let file = self.file_hash_to_record(offer).await;
        self.rollout
            .update_store_or_warn(move |shelf| shelf.record_refused(&build, &by, &why, file))
            .await;
    }

    /// Keeps a version that requests more capabilities than the live one until somebody approves.
    async fn hold_for_approval(&self, offer: &DeployRequest, more: Capabilities) -> DeployOutcome {
        let (build, by) = (Arc::clone(&offer.build), offer.source.requested_by().to_owned());
        let words = more.descriptions();
        let version = build.digest();
        let file = self.file_hash_to_record(offer).await;
        match self
            .rollout
            .with_store(move |shelf| shelf.store_pending(&build, &by, words, file))
            .await
        {
            Some(Ok(())) => DeployOutcome::Pending { version, extra_capabilities: more },
            Some(Err(error)) => DeployOutcome::Refused(DeployError::Store(error)),
            None => DeployOutcome::Refused(DeployError::Unapproved(more)),
        }
    }

    /// Prepares a version, and keeps it if it may become live, while the live one goes on being watched. `None` if the live
    /// one was rolled back meanwhile.
    async fn prepare(
        &mut self,
        offer: &DeployRequest,
    ) -> Option<Result<PrepareOutcome, PrepareError>> {
        let swap = Arc::clone(&self.rollout);
        let mut checking = Box::pin(swap.check_candidate(offer));
        let Some(checked) = self.run_while_watching(&mut checking).await else {
            // An instance takes one order at a time, so no sample may be asked for while all of them go back.
            drop(checking);
            self.finish_window(true).await;
            return None;
        };
        let version = match checked {
            Ok(PrepareOutcome::Ready(version)) => version,
            other => return Some(other.map_err(PrepareError::Rejected)),
        };
        let mut keeping = Box::pin(swap.store_version(offer));
        let Some(kept) = self.run_while_watching(&mut keeping).await else {
            self.finish_window(true).await;
            // A thread that writes goes on to its end, which must not come after what is noted of the same version next.
            let _ = keeping.await;
            return None;
        };
        Some(kept.map(|()| PrepareOutcome::Ready(version)).map_err(PrepareError::Store))
    }

    /// Waits for work while the live version is watched, and ends the watch if its window is over meanwhile. `None` if the
    /// live version has to be rolled back first.
    async fn run_while_watching<T>(
        &mut self,
        work: &mut (impl Future<Output = T> + Unpin),
    ) -> Option<T> {
        let swap = Arc::clone(&self.rollout);
        loop {
            let failed = tokio::select! {
                done = &mut *work => return Some(done),
                failed = wait_for_window_end(self.canary.as_ref(), &swap.registry) => failed,
            };
            if failed {
                return None;
            }
            self.finish_window(failed).await;
        }
    }

    /// Makes a version live and moves everyone to it. Where consumers share an instance that does
    /// not move, all goes back to what it was.
    async fn publish(&mut self, version: Arc<Version>, prepared: Duration) -> DeployOutcome {
        let (roster, plugin) = (&self.rollout.registry, self.rollout.plugin());
        let previous = plugin.live_version();
        let watching = plugin.rollback.window.duration() > Duration::ZERO;
        // The watch over an older one ends with this.
        self.canary = None;
        self.rollout.on_trial.store(watching, Ordering::Relaxed);
        roster.drop_snapshots();
        if watching || plugin.isolation == Isolation::Shared {
            roster.start_snapshot_retention();
        }
        if watching {
            version.stats().start_client_tracking();
        }
        let began = Instant::now();
        plugin.publish(Arc::clone(&version));
        let summary = roster.migrate_all(&version, Direction::Forward).await;
        if summary.unmoved_instances > 0 && plugin.isolation == Isolation::Shared {
            self.roll_back_to(&previous).await;
            return DeployOutcome::Refused(DeployError::Migration(format_reasons(&summary)));
        }
        let report = DeployReport {
            version: version.digest(),
            previous: previous.digest(),
            stats: summary.stats,
            failure_reasons: format_reasons(&summary),
            prepare_duration: prepared,
            move_duration: began.elapsed(),
        };
        if watching {
            self.canary = Some(CanaryWindow::new(version, previous, plugin.rollback));
        } else {
            roster.drop_snapshots();
        }
        DeployOutcome::Live(report)
    }

    /// Makes the version before live again and takes everyone back to it.
    async fn roll_back_to(&self, previous: &Arc<Version>) -> MigrationSummary {
        self.rollout.on_trial.store(false, Ordering::Relaxed);
        self.rollout.plugin().publish(Arc::clone(previous));
        let summary = self.rollout.registry.migrate_all(previous, Direction::Rollback).await;
        self.rollout.registry.drop_snapshots();
        summary
    }

    /// The window of a version is over, or the version `failed` in it.
    async fn finish_window(&mut self, failed: bool) {
        let Some(watched) = self.canary.take() else { return };
        if failed {
            self.roll_back(&watched).await;
            return;
        }
        self.rollout.on_trial.store(false, Ordering::Relaxed);
        self.rollout.registry.drop_snapshots();
        let (plugin, version) = (self.rollout.plugin(), watched.version.digest().short_hex());
        tracing::debug!(
            plugin = &*plugin.label,
            "version {version} has passed its rollback window"
        );
    }

    async fn roll_back(&mut self, watched: &CanaryWindow) {
        let CanaryWindow { version, previous, .. } = watched;
        let _hold = self.rollout.lock_version().await;
        let MigrationSummary { stats: outcome, .. } = self.roll_back_to(previous).await;
        self.rolled_back.push_back(version.digest());
        if self.rolled_back.len() > MAX_ROLLED_BACK {
            self.rolled_back.pop_front();
        }
        self.rollout.counters.rolled_back.fetch_add(1, Ordering::Relaxed);
        let (back, live, why) = (version.digest(), previous.digest(), watched.describe_counts());
        let state = VersionState::RolledBack;
        self.rollout
            .update_store_or_warn(move |shelf| shelf.record_failure(back, state, live, &why))
            .await;
        tracing::warn!(
            plugin = &*self.rollout.plugin().label,
            "version {} was rolled back after {}: {} is live again; {} consumers went back to the \
             state they had left it with, and the changes of {} events are lost; {} restarted, {} \
             closed, {} stay; the same bytes are taken again only with `narrowboat deploy --force`",
            version.digest().short_hex(),
            watched.describe_counts(),
            previous.digest().short_hex(),
            outcome.moved,
            outcome.lost_events,
            outcome.restarted,
            outcome.closed,
            outcome.kept_old,
        );
    }
}

fn format_reasons(summary: &MigrationSummary) -> String {
    let mut reasons: Vec<_> = summary.failure_reasons.iter().collect();
    reasons.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    let reasons: Vec<_> = reasons.iter().map(|(why, times)| format!("{why} ({times}×)")).collect();
    reasons.join("; ")
}
