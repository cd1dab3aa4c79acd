//! The configuration, read anew.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::AdminState;
use super::api_error::ApiError;
use super::auth::{AdminScope, Authorized};
use crate::HostError;
use crate::api::{self, ProblemKind};
use crate::config_reload::{self, ConfigReloadError};
use narrowboat_core::name::Tenant;

/// Reads the configuration anew and makes tenants as it wants them. Scope `admin`, and no tenant's.
#[utoipa::path(post, path = "/v1/reload", responses(
    (status = 200, description = "It is followed", body = api::ConfigReloadResponse),
    (status = 401, description = "No token", body = api::Problem),
    (status = 403, description = "The token does not allow it", body = api::Problem),
    (status = 422, description = "It is wrong; all goes on as it was", body = api::Problem),
    (status = 503, description = "The host is stopping", body = api::Problem),
))]
pub(super) async fn reload(
    token: Authorized<AdminScope>,
    State(admin): State<Arc<AdminState>>,
) -> Result<Json<api::ConfigReloadResponse>, ApiError> {
    token.require_operator()?;
    let changes = config_reload::reload(&admin.server, true).await;
    let changes = changes.map_err(|error| {
        let kind = match error {
            ConfigReloadError::Host(HostError::Stopping) => ProblemKind::Unavailable,
            _ => ProblemKind::Refused,
        };
        ApiError::new(kind, error.to_string())
    })?;
    changes.log();
    let names = |tenants: Vec<Tenant>| tenants.iter().map(Tenant::to_string).collect();
    Ok(Json(api::ConfigReloadResponse {
        added: names(changes.added),
        changed: names(changes.changed),
        removed: names(changes.removed),
        failed: changes.failed_plugins,
        restart_required: changes.restart_required,
        seconds_since_last_reload: changes.previous_config_age.as_secs(),
    }))
}
