//! An end to all connections, a few at a time.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::AdminState;
use super::api_error::{ApiError, ValidatedJson};
use super::auth::{AdminScope, Authorized};
use crate::api;

/// The time over which closes are spread unless something else is said.
const DEFAULT_DRAIN_DURATION: Duration = Duration::from_secs(30);

/// The longest such time.
const MAX_DRAIN_DURATION: Duration = Duration::from_secs(24 * 60 * 60);

/// Takes no more connections, and closes those there are with 1012, spread over a time. Scope `admin`. How
/// it goes on `/v1/status` says.
#[utoipa::path(post, path = "/v1/drain", request_body = api::DrainRequest, responses(
    (status = 202, description = "It has begun", body = api::DrainStatus),
    (status = 400, description = "Not a time", body = api::Problem),
    (status = 401, description = "No token", body = api::Problem),
    (status = 403, description = "The token does not allow it", body = api::Problem),
))]
pub(super) async fn drain(
    token: Authorized<AdminScope>,
    State(admin): State<Arc<AdminState>>,
    ValidatedJson(drain): ValidatedJson<api::DrainRequest>,
) -> Result<(StatusCode, Json<api::DrainStatus>), ApiError> {
    token.require_operator()?;
    let over = match &drain.duration {
        None => DEFAULT_DRAIN_DURATION,
        Some(over) => humantime::parse_duration(over).map_err(|error| {
            ApiError::invalid(format!("duration: {error}; write \"30s\" or \"5m\""))
        })?,
    };
    if over > MAX_DRAIN_DURATION {
        return Err(ApiError::invalid("duration: a day at most"));
    }
    tracing::info!("draining over {}, by {}", humantime::format_duration(over), token.token_name);
    let draining = admin.server.drain.start(&admin.server, over);
    Ok((StatusCode::ACCEPTED, Json(draining)))
}
