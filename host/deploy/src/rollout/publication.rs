//! Makes a version live, and goes back to the version before.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::canary_window::CanaryWindow;
use super::deploy_error::DeployError;
use super::deploy_outcome::{DeployOutcome, DeployReport};
use super::rollout::Rollout;
use super::rollout_task::RolloutTask;
use narrowboat_core::manifest::Isolation;
use narrowboat_runtime::Version;
use narrowboat_session::{Direction, MigrationSummary};

impl RolloutTask {
    /// Makes a version live, migrates all consumers to it, and opens its rollback window. If consumers share an instance
    /// that cannot migrate, the previous version becomes live again.
    pub(super) async fn publish(
        &mut self,
        version: Arc<Version>,
        prepare_duration: Duration,
    ) -> DeployOutcome {
        // The rollback window of the live version ends with its replacement.
        self.canary = None;
        let (registry, plugin) = (&self.rollout.registry, self.rollout.plugin());
        let previous = plugin.live_version();
        let has_window = plugin.rollback.window.duration() > Duration::ZERO;
        self.rollout.set_in_rollback_window(has_window);
        registry.drop_snapshots();
        if has_window || plugin.isolation == Isolation::Shared {
            registry.start_snapshot_retention();
        }
        if has_window {
            version.stats().start_client_tracking();
        }
        let started = Instant::now();
        plugin.publish(Arc::clone(&version));
        let summary = registry.migrate_all(&version, Direction::Forward).await;
        if summary.unmoved_instances > 0 && plugin.isolation == Isolation::Shared {
            self.rollout.roll_back_to(&previous).await;
            return DeployOutcome::Refused(DeployError::Migration(format_reasons(&summary)));
        }
        let report = DeployReport {
            version: version.digest(),
            previous: previous.digest(),
            stats: summary.stats,
            busy_instances: summary.busy_instances,
            failure_reasons: format_reasons(&summary),
            prepare_duration,
            move_duration: started.elapsed(),
        };
        if has_window {
            self.canary = Some(CanaryWindow::new(version, previous, plugin.rollback));
        } else {
            registry.drop_snapshots();
        }
        DeployOutcome::Live(report)
    }
}

impl Rollout {
    /// Makes the previous version live again, and migrates all consumers back to it.
    pub(super) async fn roll_back_to(&self, previous: &Arc<Version>) -> MigrationSummary {
        self.set_in_rollback_window(false);
        self.plugin().roll_back_to(Arc::clone(previous));
        let summary = self.registry.migrate_all(previous, Direction::Rollback).await;
        self.registry.drop_snapshots();
        summary
    }
}

/// Lists the reasons for which consumers did not migrate, the most frequent first, each with its number of consumers.
fn format_reasons(summary: &MigrationSummary) -> String {
    let mut reasons: Vec<_> = summary.failure_reasons.iter().collect();
    reasons.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    let reasons: Vec<_> =
        reasons.iter().map(|(reason, count)| format!("{reason} ({count}×)")).collect();
    reasons.join("; ")
}
