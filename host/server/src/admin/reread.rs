//! The configuration, read anew.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::Admin;
use super::auth::{May, ToAdminister};
use super::problem::Refusal;
use crate::HostError;
use crate::api::{self, ProblemKind};
use crate::reread::{self, RereadError};
use narrowboat_core::name::Tenant;

/// Reads the configuration anew and makes tenants as it wants them. Scope `admin`, and no tenant's.
#[utoipa::path(post, path = "/v1/reread", responses(
    (status = 200, description = "It is followed", body = api::Reread),
    (status = 401, description = "No token", body = api::Problem),
    (status = 403, description = "The token does not allow it", body = api::Problem),
    (status = 422, description = "It is wrong; all goes on as it was", body = api::Problem),
    (status = 503, description = "The host is stopping", body = api::Problem),
))]
pub(super) async fn reread(
    token: May<ToAdminister>,
    State(admin): State<Arc<Admin>>,
) -> Result<Json<api::Reread>, Refusal> {
    token.check_operator()?;
    let changes = reread::follow(&admin.server, true).await;
    let changes = changes.map_err(|error| {
        let kind = match error {
            RereadError::Host(HostError::Stopping) => ProblemKind::Unavailable,
            _ => ProblemKind::Refused,
        };
        Refusal::new(kind, error.to_string())
    })?;
    changes.log();
    let names = |tenants: Vec<Tenant>| tenants.iter().map(Tenant::to_string).collect();
    Ok(Json(api::Reread {
        added: names(changes.added),
        changed: names(changes.changed),
        removed: names(changes.removed),
        failed: changes.failed,
        for_a_start: changes.for_a_start,
        since: changes.since.as_secs(),
    }))
}
