//! `POST /v1/reload`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::admin_state::AdminState;
use super::api::{self, ProblemKind};
use super::api_error::ApiError;
use super::authorized::{AdminScope, Authorized};
use crate::host_error::HostError;
use crate::reload::ConfigReloadError;
use narrowboat_core::name::Tenant;

/// Reloads the configuration. Requires the scope `admin`; a tenant's token is refused.
#[utoipa::path(post, path = "/v1/reload", responses(
    (status = 200, description = "The configuration is applied", body = api::ConfigReloadResponse),
    (status = 401, description = "The token is missing or unknown", body = api::Problem),
    (status = 403, description = "The token lacks the scope or belongs to another tenant, or `Host` or `Origin` is wrong", body = api::Problem),
    (status = 422, description = "The configuration is not valid; nothing has changed", body = api::Problem),
    (status = 503, description = "The host is stopping", body = api::Problem),
))]
pub(super) async fn reload(
    token: Authorized<AdminScope>,
    State(admin): State<Arc<AdminState>>,
) -> Result<Json<api::ConfigReloadResponse>, ApiError> {
    token.require_operator()?;
    let report = admin.server.config_reloader.reload(true).await;
    let report = report.map_err(|error| {
        let kind = match error {
            ConfigReloadError::Host(HostError::Stopping) => ProblemKind::Unavailable,
            _ => ProblemKind::Refused,
        };
        ApiError::new(kind, error.to_string())
    })?;
    report.log();
    let names = |tenants: Vec<Tenant>| tenants.iter().map(Tenant::to_string).collect();
    Ok(Json(api::ConfigReloadResponse {
        added: names(report.added),
        changed: names(report.changed),
        removed: names(report.removed),
        failed: report.failed_plugins,
        restart_required: report.restart_required,
        seconds_since_last_reload: report.previous_config_age.as_secs(),
    }))
}
