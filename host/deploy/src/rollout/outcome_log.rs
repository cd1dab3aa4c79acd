//! Counts and logs the outcomes of deploys.

use super::canary_window::CanaryWindow;
use super::deploy_outcome::DeployOutcome;
use super::deploy_queue::DeployRequest;
use super::deploy_source::DeploySource;
use super::rollout::Rollout;
use narrowboat_core::capabilities::format_missing;
use narrowboat_core::fault::sanitize_log_line;
use narrowboat_runtime::{MigrationStats, Sha256Digest};

impl Rollout {
    /// Counts and logs the outcome of a request.
    pub(super) fn log_outcome(&self, request: &DeployRequest, outcome: &DeployOutcome) {
        let plugin = &*self.plugin().label;
        let live = self.plugin().live_version().digest().short_hex();
        match outcome {
            DeployOutcome::Live(report) => {
                self.counters.count_published();
                tracing::info!(plugin, "{report}, by {}", request.source.requested_by());
            }
            DeployOutcome::Unchanged(version) => self.log_unchanged(&request.source, *version),
            DeployOutcome::Refused(error) => {
                self.counters.count_refused();
                let error = sanitize_log_line(&error.to_string());
                tracing::warn!(plugin, "refused, version {live} stays: {error}");
            }
            DeployOutcome::Pending { version, extra_capabilities } => {
                let version = version.short_hex();
                let extra = format_missing(&extra_capabilities.descriptions());
                let arguments = self.plugin().tenant.arguments(&self.plugin().name);
                tracing::warn!(
                    plugin,
                    "version {version}, by {}, waits for an approval, since it requests more capabilities than the live one: \
                     {extra}; `narrowboat approve {arguments} {version}` makes it live",
                    request.source.requested_by()
                );
            }
            DeployOutcome::Superseded => {}
        }
    }

    /// Logs why a version did not become live. At the start of the host a component file that has not changed is normal.
    fn log_unchanged(&self, source: &DeploySource, version: Sha256Digest) {
        let plugin = &*self.plugin().label;
        let live = self.plugin().live_version().digest();
        let (version_hex, live_hex) = (version.short_hex(), live.short_hex());
        if version == live {
            tracing::debug!(plugin, "version {version_hex} is live already");
        } else if !matches!(source, DeploySource::StartupFile(_)) {
            tracing::info!(
                plugin,
                "version {live_hex} stays: the file still holds version {version_hex}, as when {live_hex} was deployed"
            );
        }
    }

    /// Logs the rollback of a version that failed too often.
    pub(super) fn log_rollback(&self, canary: &CanaryWindow, stats: &MigrationStats) {
        tracing::warn!(
            plugin = &*self.plugin().label,
            "version {} was rolled back after {}: {} is live again; {} consumers went back to the \
             state they had left it with, and the changes of {} events are lost; {} restarted, {} \
             closed, {} stay; `narrowboat deploy --force` deploys the same bytes again",
            canary.version.digest().short_hex(),
            canary.describe_counts(),
            canary.previous.digest().short_hex(),
            stats.moved,
            stats.lost_events,
            stats.restarted,
            stats.closed,
            stats.kept_old,
        );
    }
}
