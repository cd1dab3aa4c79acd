//! The response to a deploy, a rollback or an approval.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;

use super::api::{DeployResponse, ProblemKind};
use super::api_error::ApiError;
use narrowboat_core::capabilities::{Capabilities, format_missing};
use narrowboat_deploy::rollout::{
    DeployError, DeployOutcome, DeployReport, DeploySource, QueueCloseReason, Rollout,
};
use narrowboat_runtime::{Build, Sha256Digest};

/// Enqueues a version and waits for its outcome.
///
/// # Errors
/// 409 if the version waits for approval or is superseded; 422 if it is refused; 503 if the queue is full or closed.
pub(super) async fn submit_deploy(
    rollout: &Rollout,
    build: Build,
    source: DeploySource,
) -> Result<Json<DeployResponse>, ApiError> {
    // The rollout sends an outcome for each version, unless its task fails.
    let outcome = rollout
        .enqueue(Arc::new(build), source)
        .await
        .unwrap_or(DeployOutcome::Refused(DeployError::Closed(QueueCloseReason::TaskFailed)));
    match outcome {
        DeployOutcome::Live(report) => Ok(Json(deploy_response(rollout, &report))),
        DeployOutcome::Unchanged(version) => Ok(Json(unchanged_response(rollout, version))),
        DeployOutcome::Pending { version, extra_capabilities } => {
            let message = pending_message(rollout, version, &extra_capabilities);
            Err(ApiError::new(ProblemKind::Pending, message))
        }
        DeployOutcome::Superseded => Err(ApiError::new(
            ProblemKind::Superseded,
            "a newer version was deployed while this one waited in the queue",
        )),
        DeployOutcome::Refused(error) => Err(deploy_error(&error)),
    }
}

fn deploy_error(error: &DeployError) -> ApiError {
    let kind = match error {
        DeployError::QueueFull(_) | DeployError::Closed(_) => ProblemKind::Unavailable,
        _ => ProblemKind::Refused,
    };
    ApiError::new(kind, error.to_string())
}

fn pending_message(rollout: &Rollout, version: Sha256Digest, extra: &Capabilities) -> String {
    let (version, extra) = (version.short_hex(), format_missing(&extra.descriptions()));
    let plugin = rollout.plugin().tenant.arguments(&rollout.plugin().name);
    format!(
        "version {version} waits for an approval, since it requests more capabilities than the live one: {extra}; \
         `narrowboat approve {plugin} {version}` makes it live"
    )
}

/// The response if the version was live already.
fn unchanged_response(rollout: &Rollout, version: Sha256Digest) -> DeployResponse {
    DeployResponse {
        plugin: rollout.plugin().name.to_string(),
        version: version.to_string(),
        previous: None,
        migrated: 0,
        restarted: 0,
        closed: 0,
        remaining: 0,
        prepare_ms: 0,
        migrate_ms: 0,
        in_rollback_window: rollout.is_in_rollback_window(),
    }
}

fn deploy_response(rollout: &Rollout, report: &DeployReport) -> DeployResponse {
    let milliseconds = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    DeployResponse {
        previous: Some(report.previous.to_string()),
        migrated: report.stats.moved,
        restarted: report.stats.restarted,
        closed: report.stats.closed,
        remaining: report.stats.kept_old,
        prepare_ms: milliseconds(report.prepare_duration),
        migrate_ms: milliseconds(report.move_duration),
        ..unchanged_response(rollout, report.version)
    }
}
