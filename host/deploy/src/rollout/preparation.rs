//! The checks of a version before it becomes live. They change nothing that serves, so they can be dropped at any time.

use std::sync::Arc;
use std::time::Duration;

use tracing::Instrument;

use super::change_policy::ChangePolicy;
use super::deploy_error::DeployError;
use super::deploy_outcome::DeployOutcome;
use super::deploy_queue::DeployRequest;
use super::deploy_source::DeploySource;
use super::rollout::Rollout;
use crate::versions::PluginVersionStoreError;
use narrowboat_config::FailedMovePolicy;
use narrowboat_core::capabilities::Capabilities;
use narrowboat_core::log_target::TRACE;
use narrowboat_core::manifest::Isolation;
use narrowboat_quota::{QuotaResource, Reservation};
use narrowboat_runtime::{
    Candidate, LoadCancellation, MigrationError, Plugin, Version, run_on_dedicated_thread,
};

/// The pause before another attempt to get one of the loads that may be in progress.
const LOAD_RETRY_PAUSE: Duration = Duration::from_millis(50);

/// The result of the preparation of a version.
pub(super) enum Preparation {
    /// The version is checked and stored, and may become live.
    Ready(Arc<Version>),
    /// The version does not become live.
    Ended(DeployOutcome),
    /// The live version was rolled back meanwhile, so the checks have to be repeated.
    LiveVersionRolledBack,
}

/// The result of the checks of a version.
pub(super) enum CandidateCheck {
    /// The version may become live.
    Passed(Arc<Version>),
    /// The version requests these capabilities, which the live version does not have. It was not run.
    NeedsApproval(Capabilities),
    /// The version requests another isolation, and a reload loads the plugin again with it.
    NeedsReload,
}

impl Rollout {
    /// Compiles, checks and tries a version. Cancel-safe.
    ///
    /// # Errors
    /// When the version cannot be loaded, requests another isolation or fails the trial.
    pub(super) async fn check_candidate(
        &self,
        request: &DeployRequest,
    ) -> Result<CandidateCheck, DeployError> {
        let _load = self.wait_for_load().await;
        let span = tracing::info_span!(target: TRACE, "prepare");
        self.check_against_live(request).instrument(span).await
    }

    /// Waits until the limits of the plugin, its tenant and the host allow another version to be compiled and tried.
    async fn wait_for_load(&self) -> Reservation {
        let quota = &self.plugin().quota;
        loop {
            if let Ok(load) = quota.try_reserve(QuotaResource::Loads, 1) {
                return load;
            }
            // Looking for room does not count as reaching the limit again.
            while quota.find_full_owner(QuotaResource::Loads, 1).is_some() {
                tokio::time::sleep(LOAD_RETRY_PAUSE).await;
            }
        }
    }

    async fn check_against_live(
        &self,
        request: &DeployRequest,
    ) -> Result<CandidateCheck, DeployError> {
        let plugin = self.plugin();
        let Candidate { version, isolation } = self.compile(request).await?;
        if let Err(error) = self.check_identity(&version, isolation) {
            if self.policy == ChangePolicy::Builder && request.source.is_from_file() {
                return Ok(CandidateCheck::NeedsReload);
            }
            return Err(error);
        }
        warn_if_renamed(plugin, &version);
        let extra = plugin.live_version().capabilities().missing_for(version.capabilities());
        if !extra.is_empty() && !self.is_preapproved(request) {
            return Ok(CandidateCheck::NeedsApproval(extra));
        }
        self.run_trial(Arc::clone(&version)).await?;
        Ok(CandidateCheck::Passed(version))
    }

    /// Checks that a version has the isolation of the live one, and names rooms as it does, since other names would be
    /// other rooms.
    fn check_identity(&self, version: &Version, isolation: Isolation) -> Result<(), DeployError> {
        let running = self.plugin().isolation;
        if isolation != running {
            return Err(DeployError::Isolation { running, wanted: isolation });
        }
        let template = |version: &Version| version.rooms().map(|rooms| rooms.template.clone());
        match (template(&self.plugin().live_version()), template(version)) {
            (Some(running), Some(wanted)) if running != wanted => {
                Err(DeployError::RoomTemplate { running, wanted })
            }
            _ => Ok(()),
        }
    }

    async fn compile(&self, request: &DeployRequest) -> Result<Candidate, DeployError> {
        let (loader, config) = (Arc::clone(&self.loader), self.config.clone());
        let (plugin, build) = (Arc::clone(self.plugin()), Arc::clone(&request.build));
        let source = request.source.clone();
        let cancellation = LoadCancellation::default();
        let _cancelled = cancellation.cancel_on_drop();
        let compiled = run_on_dedicated_thread(move || {
            let file = source.display_path();
            loader.compile_version(&plugin.name, &config, file, &build, &cancellation)
        });
        Ok(compiled.await.ok_or(DeployError::NoThread)?.map_err(Box::new)?)
    }

    /// Whether a version may have the capabilities that it requests, whatever the live version has.
    fn is_preapproved(&self, request: &DeployRequest) -> bool {
        let store = self.store.as_ref();
        // The loader has checked that the configuration grants them.
        let is_granted = self.policy.approves_granted() && request.source.is_from_file();
        is_granted
            || matches!(request.source, DeploySource::Approval { .. })
            || store.is_some_and(|store| store.is_preapproved(request.build.digest()))
    }

    /// Starts an instance of a version that is thrown away. It restores the state of a running instance, if there is one
    /// that can be saved. Consumers that share an instance whose state cannot be saved keep the version from going live,
    /// unless `on_failed_move` says what happens to them.
    async fn run_trial(&self, version: Arc<Version>) -> Result<(), DeployError> {
        let state = match self.registry.capture_trial_state().await {
            None => None,
            Some(Ok(state)) => Some(state),
            Some(Err(error)) => {
                self.check_may_lose_state(&error)?;
                let plugin = &*self.plugin().label;
                tracing::warn!(plugin, %error, "trial without the state of a running instance");
                None
            }
        };
        let trial = run_on_dedicated_thread(move || match state {
            Some(state) => state.try_restore(version),
            None => version.try_start().map_err(MigrationError::Start),
        });
        trial.await.ok_or(DeployError::NoThread)?.map_err(DeployError::Trial)
    }

    /// Checks that a version may go live although the state of a running instance cannot be saved for it.
    fn check_may_lose_state(&self, error: &MigrationError) -> Result<(), DeployError> {
        let plugin = self.plugin();
        match (plugin.isolation, plugin.failed_move) {
            (Isolation::Connection | Isolation::Room, _) => Ok(()),
            (Isolation::Shared, _) if !error.is_unsaved_state() => {
                Err(DeployError::Trial(error.clone()))
            }
            (Isolation::Shared, FailedMovePolicy::KeepOld) => {
                Err(DeployError::UnsavedState(error.clone()))
            }
            (Isolation::Shared, FailedMovePolicy::Restart | FailedMovePolicy::Close) => Ok(()),
        }
    }

    /// Stores a version that is about to be published. If the version comes from the plugin's component file, an error is
    /// only logged: the file has the bytes. Dropping the future does not cancel the thread that writes.
    ///
    /// # Errors
    /// When the version cannot be written.
    pub(super) async fn store_version(
        &self,
        request: &DeployRequest,
    ) -> Result<(), PluginVersionStoreError> {
        let build = Arc::clone(&request.build);
        let requested_by = request.source.requested_by().to_owned();
        let is_approval = matches!(request.source, DeploySource::Approval { .. });
        let stored = self.with_store(move |store| match is_approval {
            true => store.store_approved(&build, &requested_by),
            false => store.store(&build, &requested_by),
        });
        match stored.await {
            Some(Err(error)) if request.source.is_from_file() => {
                let plugin = &*self.plugin().label;
                let version = request.build.digest().short_hex();
                tracing::warn!(plugin, version, %error, "cannot store the version");
                Ok(())
            }
            Some(Err(error)) => Err(error),
            Some(Ok(())) | None => Ok(()),
        }
    }
}

/// Warns if the manifest's name has changed: the component may belong to another plugin.
fn warn_if_renamed(plugin: &Plugin, version: &Version) {
    let live = plugin.live_version();
    let (old, new) = (live.manifest_name(), version.manifest_name());
    if old != new {
        let (plugin, version) = (&*plugin.label, version.digest().short_hex());
        tracing::warn!(
            plugin,
            version,
            name = new,
            live_name = old,
            "the manifest has another name than the live version's; is it the right component?"
        );
    }
}
