//! What a version goes through before it may become live. Nothing that serves changes meanwhile, so that all of it can be
//! dropped at any time.

use std::sync::Arc;

use tracing::Instrument;

use super::Rollout;
use super::deploy_error::DeployError;
use super::deploy_queue::{DeployRequest, DeploySource};
use crate::versions::PluginVersionStoreError;
use narrowboat_core::capabilities::Capabilities;
use narrowboat_core::log_target::TRACE;
use narrowboat_core::manifest::Isolation;
use narrowboat_runtime::{Candidate, MigrationError, Plugin, Version, run_on_dedicated_thread};

/// A version that fits.
pub(super) enum PrepareOutcome {
    /// It has been tried, and may become live.
    Ready(Arc<Version>),
    /// It asks for this and the live one has not: somebody has to approve.
    NeedsApproval(Capabilities),
}

/// Why a version does not become live.
pub(super) enum PrepareError {
    /// It is not good enough.
    Rejected(DeployError),
    /// It would be lost with the process.
    Store(PluginVersionStoreError),
}

impl Rollout {
    /// Compiles, checks and tries a version. Nothing has happened if it fails, and nothing of it has run if it asks for
    /// more than the live one. Cancel safe.
    pub(super) async fn check_candidate(
        &self,
        offer: &DeployRequest,
    ) -> Result<PrepareOutcome, DeployError> {
        let span = tracing::info_span!(target: TRACE, "prepare");
        self.check_against_live(offer).instrument(span).await
    }

    async fn check_against_live(
        &self,
        offer: &DeployRequest,
    ) -> Result<PrepareOutcome, DeployError> {
        let plugin = self.plugin();
        let work = {
            let (loader, config) = (Arc::clone(&self.loader), self.config.clone());
            let (plugin, build) = (Arc::clone(plugin), Arc::clone(&offer.build));
            let origin = offer.source.clone();
            move || loader.compile_version(&plugin.name, &config, origin.display_path(), &build)
        };
        let compiled = run_on_dedicated_thread(work).await.ok_or(DeployError::NoThread)?;
        let Candidate { version, isolation } = compiled.map_err(Box::new)?;
        if isolation != plugin.isolation {
            return Err(DeployError::Isolation { running: plugin.isolation, wanted: isolation });
        }
        warn_if_renamed(plugin, &version);
        let more = plugin.live_version().capabilities().missing_for(version.capabilities());
        if !more.is_empty() && !self.is_preapproved(offer) {
            return Ok(PrepareOutcome::NeedsApproval(more));
        }
        self.run_trial(Arc::clone(&version)).await?;
        Ok(PrepareOutcome::Ready(version))
    }

    /// Whether a version may have the capabilities that it requests, whatever the live one has.
    fn is_preapproved(&self, offer: &DeployRequest) -> bool {
        let shelf = self.store.as_ref();
        matches!(offer.source, DeploySource::Approval { .. })
            || shelf.is_some_and(|shelf| shelf.is_preapproved(offer.build.digest()))
    }

    /// Tries a version on a store that is thrown away, with the state of now if there is any.
    async fn run_trial(&self, version: Arc<Version>) -> Result<(), DeployError> {
        let sample = match self.registry.capture_trial_state().await {
            None => None,
            Some(Ok(sample)) => Some(sample),
            Some(Err(error)) if self.plugin().isolation == Isolation::Shared => {
                return Err(DeployError::Trial(error));
            }
            Some(Err(error)) => {
                let plugin = &*self.plugin().label;
                tracing::warn!(plugin, "tried without the state of a connection: {error}");
                None
            }
        };
        let trial = run_on_dedicated_thread(move || match sample {
            Some(sample) => sample.try_restore(version),
            None => version.try_start().map_err(MigrationError::Start),
        });
        trial.await.ok_or(DeployError::NoThread)?.map_err(DeployError::Trial)
    }

    /// Keeps a version that is about to be published. What cannot be kept is not taken, unless the
    /// plugin's file has it anyway. Dropped, it may be kept all the same, and later than whatever is noted next.
    pub(super) async fn store_version(
        &self,
        offer: &DeployRequest,
    ) -> Result<(), PluginVersionStoreError> {
        let (build, by) = (Arc::clone(&offer.build), offer.source.requested_by().to_owned());
        let is_approval = matches!(offer.source, DeploySource::Approval { .. });
        let kept = self.with_store(move |shelf| match is_approval {
            true => shelf.store_approved(&build, &by),
            false => shelf.store(&build, &by),
        });
        match (kept.await, &offer.source) {
            (Some(Err(error)), origin) if origin.is_from_file() => {
                let plugin = &*self.plugin().label;
                tracing::warn!(plugin, "version {}: {error}", offer.build.digest().short_hex());
                Ok(())
            }
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(())) | None, _) => Ok(()),
        }
    }
}

/// Another component may have been given to this plugin by mistake.
fn warn_if_renamed(plugin: &Plugin, version: &Version) {
    let live = plugin.live_version();
    let (old, new) = (live.manifest_name(), version.manifest_name());
    if old != new {
        let (label, digest) = (&*plugin.label, version.digest().short_hex());
        tracing::warn!(
            plugin = label,
            "version {digest} is of a manifest with the name {new:?}, and the live version's has {old:?}; is it the \
             right component?"
        );
    }
}
