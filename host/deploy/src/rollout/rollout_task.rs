//! The task that deploys the versions of one plugin.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use tracing::Instrument;

use super::canary_window::CanaryWindow;
use super::decision::{DeployDecision, KnownBytes, decide};
use super::deploy_error::{DeployError, QueueCloseReason};
use super::deploy_outcome::DeployOutcome;
use super::deploy_queue::{DeployQueue, DeployRequest};
use super::preparation::{CandidateCheck, Preparation};
use super::rollout::Rollout;
use crate::versions::VersionState;
use narrowboat_core::capabilities::Capabilities;
use narrowboat_core::fault::sanitize_log_line;
use narrowboat_core::log_target::TRACE;
use narrowboat_runtime::{Sha256Digest, Version, run_on_dedicated_thread};
use narrowboat_session::InstanceRegistry;

/// The most rolled back versions that are remembered, so that they are not deployed again.
const MAX_ROLLED_BACK: usize = 64;

/// The task that deploys the versions of one plugin. It does one thing at a time: a deploy, or the end of a rollback
/// window.
pub(super) struct RolloutTask {
    pub(super) rollout: Arc<Rollout>,
    /// The rollback window of the live version, if it is in one.
    pub(super) canary: Option<CanaryWindow>,
    /// The versions that were rolled back for their faults, the oldest first.
    rolled_back: VecDeque<Sha256Digest>,
}

/// Closes the queue when the task ends, also by a panic.
struct CloseQueueOnDrop<'a>(&'a DeployQueue);

impl Drop for CloseQueueOnDrop<'_> {
    fn drop(&mut self) {
        // If the task was ended on purpose, the queue is closed already, and keeps its first reason.
        self.0.close(QueueCloseReason::TaskFailed);
    }
}

impl Rollout {
    /// Deploys the versions of the queue, one after the other. Does not return.
    pub async fn run(self: Arc<Self>) {
        let _close_queue = CloseQueueOnDrop(&self.queue);
        let mut task = RolloutTask::new(Arc::clone(&self));
        loop {
            let request = tokio::select! {
                request = self.queue.pop() => request,
                failed = wait_for_window_end(task.canary.as_ref(), &self.registry) => {
                    task.finish_window(failed).await;
                    continue;
                }
            };
            let (plugin, version) = (&*self.plugin().label, request.build.digest().short_hex());
            let span = tracing::info_span!(target: TRACE, "swap", plugin, version);
            task.process(request).instrument(span).await;
        }
    }
}

/// Waits for the end of a rollback window. Returns whether the version failed too often and has to be rolled back.
async fn wait_for_window_end(canary: Option<&CanaryWindow>, registry: &InstanceRegistry) -> bool {
    let Some(canary) = canary else { return std::future::pending().await };
    tokio::select! {
        () = registry.wait_for_self_rollback() => true,
        failed = canary.wait_for_end() => failed,
    }
}

impl RolloutTask {
    fn new(rollout: Arc<Rollout>) -> Self {
        let rolled_back = rollout.store.as_ref().map_or_else(Vec::new, |store| store.rolled_back());
        Self { rollout, canary: None, rolled_back: rolled_back.into() }
    }

    async fn process(&mut self, request: DeployRequest) {
        let outcome = self.deploy(&request).await;
        self.rollout.log_outcome(&request, &outcome);
        request.complete(outcome);
    }

    /// Takes a request through the steps that the module's documentation lists.
    async fn deploy(&mut self, request: &DeployRequest) -> DeployOutcome {
        loop {
            if let Some(outcome) = self.decide_without_loading(request) {
                self.record_source_hash(request).await;
                return outcome;
            }
            let started = Instant::now();
            match self.prepare(request).await {
                Preparation::Ready(version) => {
                    return self.go_live(request, version, started).await;
                }
                Preparation::Ended(outcome) => return outcome,
                Preparation::LiveVersionRolledBack => {}
            }
        }
    }

    /// Returns the outcome of a request whose component need not be loaded; see [`decide`] for the order of the checks.
    fn decide_without_loading(&self, request: &DeployRequest) -> Option<DeployOutcome> {
        let version = request.build.digest();
        let store = self.rollout.store.as_ref();
        let known = KnownBytes {
            is_live: self.rollout.plugin().live_version().digest() == version,
            is_known_source: store.is_some_and(|store| store.is_known_source_hash(version)),
            was_rolled_back: self.rolled_back.contains(&version),
            state: store.and_then(|store| store.state(version)),
        };
        match decide(&request.source, known) {
            DeployDecision::AlreadyLive | DeployDecision::FileUnchanged => {
                Some(DeployOutcome::Unchanged(version))
            }
            DeployDecision::RolledBackBefore => {
                Some(DeployOutcome::Refused(DeployError::RolledBack(version)))
            }
            DeployDecision::Load => None,
        }
    }

    /// Checks, tries and stores a version while the live version stays in its rollback window.
    async fn prepare(&mut self, request: &DeployRequest) -> Preparation {
        let rollout = Arc::clone(&self.rollout);
        let mut check = Box::pin(rollout.check_candidate(request));
        let Some(checked) = self.run_in_window(&mut check).await else {
            // An instance executes one command at a time, so the check must not ask for state during the rollback.
            drop(check);
            self.finish_window(true).await;
            return Preparation::LiveVersionRolledBack;
        };
        let version = match checked {
            Ok(CandidateCheck::Passed(version)) => version,
            Ok(CandidateCheck::NeedsApproval(extra)) => {
                return Preparation::Ended(self.hold_for_approval(request, extra).await);
            }
            Ok(CandidateCheck::NeedsReload) => {
                return Preparation::Ended(DeployOutcome::Superseded);
            }
            Err(error) => {
                self.record_refusal(request, &error).await;
                return Preparation::Ended(DeployOutcome::Refused(error));
            }
        };
        let mut storing = Box::pin(rollout.store_version(request));
        let Some(stored) = self.run_in_window(&mut storing).await else {
            self.finish_window(true).await;
            // The storing thread cannot be cancelled, and must not write after the next record of the same version.
            let _ = storing.await;
            return Preparation::LiveVersionRolledBack;
        };
        match stored {
            Ok(()) => Preparation::Ready(version),
            Err(error) => Preparation::Ended(DeployOutcome::Refused(DeployError::Store(error))),
        }
    }

    /// Waits for work, and ends the rollback window of the live version if it passes meanwhile. `None` if the live version
    /// failed and has to be rolled back first.
    async fn run_in_window<T>(
        &mut self,
        work: &mut (impl Future<Output = T> + Unpin),
    ) -> Option<T> {
        let rollout = Arc::clone(&self.rollout);
        loop {
            let failed = tokio::select! {
                done = &mut *work => return Some(done),
                failed = wait_for_window_end(self.canary.as_ref(), &rollout.registry) => failed,
            };
            if failed {
                return None;
            }
            self.finish_window(false).await;
        }
    }

    /// Makes a prepared version live, and records it.
    async fn go_live(
        &mut self,
        request: &DeployRequest,
        version: Arc<Version>,
        started: Instant,
    ) -> DeployOutcome {
        let digest = version.digest();
        let source_hash = self.source_hash_to_record(request).await;
        let _live_version = self.rollout.lock_version().await;
        let previous = self.rollout.plugin().live_version().digest();
        let span = tracing::info_span!(target: TRACE, "move");
        let outcome = self.publish(version, started.elapsed()).instrument(span).await;
        if let DeployOutcome::Refused(error) = &outcome {
            let reason = error.to_string();
            // An explicit request may name a version that was live before. It stays available for another rollback.
            let explicit = request.source.is_explicit();
            let state = if explicit { VersionState::Kept } else { VersionState::Refused };
            self.rollout
                .update_store_or_warn(move |store| {
                    store.record_failure(digest, state, previous, &reason)?;
                    source_hash.map_or(Ok(()), |hash| store.record_source_hash(hash))
                })
                .await;
        } else {
            self.rolled_back.retain(|rolled_back| *rolled_back != digest);
            self.rollout
                .update_store_or_warn(move |store| store.record_published(digest, source_hash))
                .await;
        }
        outcome
    }

    /// Ends the rollback window of the live version: it has passed, or the version `failed` and is rolled back.
    async fn finish_window(&mut self, failed: bool) {
        let Some(canary) = self.canary.take() else { return };
        if failed {
            self.roll_back(&canary).await;
            return;
        }
        self.rollout.set_in_rollback_window(false);
        self.rollout.registry.drop_snapshots();
        let (plugin, version) = (self.rollout.plugin(), canary.version.digest().short_hex());
        tracing::debug!(plugin = &*plugin.label, version, "version has passed its rollback window");
    }

    /// Rolls a version back, and remembers and records that.
    async fn roll_back(&mut self, canary: &CanaryWindow) {
        let _live_version = self.rollout.lock_version().await;
        let summary = self.rollout.roll_back_to(&canary.previous).await;
        let (failed, live) = (canary.version.digest(), canary.previous.digest());
        self.rolled_back.push_back(failed);
        if self.rolled_back.len() > MAX_ROLLED_BACK {
            self.rolled_back.pop_front();
        }
        let reason = canary.describe_counts();
        self.rollout.counters().count_rolled_back();
        self.rollout
            .update_store_or_warn(move |store| {
                store.record_failure(failed, VersionState::RolledBack, live, &reason)
            })
            .await;
        self.rollout.log_rollback(canary, &summary.stats);
    }

    /// Stores a version that requests more capabilities than the live one, until it is approved.
    async fn hold_for_approval(
        &self,
        request: &DeployRequest,
        extra_capabilities: Capabilities,
    ) -> DeployOutcome {
        let build = Arc::clone(&request.build);
        let requested_by = request.source.requested_by().to_owned();
        let descriptions = extra_capabilities.descriptions();
        let version = build.digest();
        let source_hash = self.source_hash_to_record(request).await;
        let stored = self.rollout.with_store(move |store| {
            store.store_pending(&build, &requested_by, descriptions, source_hash)
        });
        match stored.await {
            Some(Ok(())) => DeployOutcome::Pending { version, extra_capabilities },
            Some(Err(error)) => DeployOutcome::Refused(DeployError::Store(error)),
            None => DeployOutcome::Refused(DeployError::Unapproved(extra_capabilities)),
        }
    }

    async fn record_refusal(&self, request: &DeployRequest, error: &DeployError) {
        let build = Arc::clone(&request.build);
        let requested_by = request.source.requested_by().to_owned();
        let reason = sanitize_log_line(&error.to_string());
        let source_hash = self.source_hash_to_record(request).await;
        self.rollout
            .update_store_or_warn(move |store| {
                store.record_refused(&build, &requested_by, &reason, source_hash)
            })
            .await;
    }

    /// Records the hash of the plugin's component file, if the request comes from it.
    async fn record_source_hash(&self, request: &DeployRequest) {
        if let Some(hash) = self.source_hash_to_record(request).await {
            self.rollout.update_store_or_warn(move |store| store.record_source_hash(hash)).await;
        }
    }

    /// Returns the hash of the plugin's component file if it has to be recorded: the request comes from the file, and the
    /// hash is new. `None` also if the file lacks a required signature: a signature that is added later makes the same
    /// bytes a new version, also after a restart.
    async fn source_hash_to_record(&self, request: &DeployRequest) -> Option<Sha256Digest> {
        let store = self.rollout.store.as_ref().filter(|_| request.source.is_from_file())?;
        let hash = request.build.digest();
        if store.is_known_source_hash(hash) {
            return None;
        }
        let (loader, build) = (Arc::clone(&self.rollout.loader), Arc::clone(&request.build));
        let is_trusted =
            run_on_dedicated_thread(move || loader.check_signature(&build).is_ok()).await;
        is_trusted.unwrap_or(false).then_some(hash)
    }
}
