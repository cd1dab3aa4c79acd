//! Counts and logs the outcomes of deploys.

use super::canary_window::CanaryWindow;
use super::deploy_outcome::{DeployOutcome, DeployReport};
use super::deploy_queue::DeployRequest;
use super::deploy_source::DeploySource;
use super::rollout::Rollout;
use narrowboat_core::capabilities::format_missing;
use narrowboat_core::fault::sanitize_log_line;
use narrowboat_runtime::{ClientCount, EventCounts, MigrationStats, Sha256Digest};

impl Rollout {
    /// Counts and logs the outcome of a request.
    pub(super) fn log_outcome(&self, request: &DeployRequest, outcome: &DeployOutcome) {
        let plugin = &*self.plugin().label;
        let live = self.plugin().live_version().digest().short_hex();
        match outcome {
            DeployOutcome::Live(report) => {
                self.counters.count_published();
                log_live(plugin, request.source.requested_by(), report);
            }
            DeployOutcome::Unchanged(version) => self.log_unchanged(&request.source, *version),
            DeployOutcome::Refused(error) => {
                self.counters.count_refused();
                let error = sanitize_log_line(&error.to_string());
                tracing::warn!(plugin, live, %error, "deploy refused");
            }
            DeployOutcome::Pending { version, extra_capabilities } => {
                let version = version.short_hex();
                let extra = format_missing(&extra_capabilities.descriptions());
                let arguments = self.plugin().tenant.arguments(&self.plugin().name);
                tracing::warn!(
                    plugin,
                    version,
                    requested_by = request.source.requested_by(),
                    extra_capabilities = %extra,
                    command = format_args!("narrowboat approve {arguments} {version}"),
                    "version waits for an approval"
                );
            }
            DeployOutcome::Superseded => {}
        }
    }

    /// Logs why a version did not become live. At the start of the host a component file that has not changed is normal.
    fn log_unchanged(&self, source: &DeploySource, version: Sha256Digest) {
        let plugin = &*self.plugin().label;
        let live = self.plugin().live_version().digest();
        let is_live = version == live;
        let (version, live) = (version.short_hex(), live.short_hex());
        if is_live {
            tracing::debug!(plugin, version, "version is live already");
        } else if !matches!(source, DeploySource::StartupFile(_)) {
            tracing::info!(
                plugin,
                live,
                file_version = version,
                "file ignored: it has not changed since the live version was deployed"
            );
        }
    }

    /// Logs the rollback of a version that failed too often.
    pub(super) fn log_rollback(&self, canary: &CanaryWindow, stats: &MigrationStats) {
        let EventCounts { events, faults } = canary.version.stats().event_counts();
        let ClientCount { clients, failed } = canary.version.stats().client_count();
        tracing::warn!(
            plugin = &*self.plugin().label,
            version = canary.version.digest().short_hex(),
            live = canary.previous.digest().short_hex(),
            faults,
            events,
            failed_clients = failed,
            clients,
            moved = stats.moved,
            lost_events = stats.lost_events,
            restarted = stats.restarted,
            closed = stats.closed,
            kept_old = stats.kept_old,
            "version rolled back; `narrowboat deploy --force` deploys the same bytes again"
        );
    }
}

/// Logs the report of a version that has become live. A count of 0 has no field.
fn log_live(plugin: &str, requested_by: &str, report: &DeployReport) {
    let stats = &report.stats;
    let unless_zero = |count: u64| (count > 0).then_some(count);
    let max_pause_ms = (stats.max_pause.as_secs_f64() * 100_000.0).round() / 100.0;
    let failures = &report.failure_reasons;
    tracing::info!(
        plugin,
        version = report.version.short_hex(),
        previous = report.previous.short_hex(),
        requested_by,
        prepared_ms = report.prepare_duration.as_millis(),
        moved = stats.moved,
        moved_in_ms = report.move_duration.as_millis(),
        max_pause_ms,
        busy_instances = unless_zero(report.busy_instances),
        restarted = unless_zero(stats.restarted),
        closed = unless_zero(stats.closed),
        kept_old = unless_zero(stats.kept_old),
        failures = (!failures.is_empty()).then(|| tracing::field::display(failures)),
        "version is live"
    );
}
