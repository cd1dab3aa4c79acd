//! `POST /v1/drain`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::admin_state::AdminState;
use super::api;
use super::api_error::ApiError;
use super::authorized::{AdminScope, Authorized};
use super::extract::ValidatedJson;

/// The time over which the closes are spread if the request does not say it.
const DEFAULT_DRAIN_DURATION: Duration = Duration::from_secs(30);

/// The longest time over which the closes are spread.
const MAX_DRAIN_DURATION: Duration = Duration::from_secs(24 * 60 * 60);

/// Drains the host: it accepts no more connections, and closes the open ones with 1012, spread over a time. Requires the
/// scope `admin`; a tenant's token is refused. The response comes at once; `GET /v1/status` shows the progress.
#[utoipa::path(post, path = "/v1/drain", request_body = api::DrainRequest, responses(
    (status = 202, description = "The drain has begun", body = api::DrainStatus),
    (status = 400, description = "`duration` is not a duration of at most a day", body = api::Problem),
    (status = 401, description = "The token is missing or unknown", body = api::Problem),
    (status = 403, description = "The token lacks the scope or belongs to another tenant, or `Host` or `Origin` is wrong", body = api::Problem),
))]
pub(super) async fn drain(
    token: Authorized<AdminScope>,
    State(admin): State<Arc<AdminState>>,
    ValidatedJson(drain): ValidatedJson<api::DrainRequest>,
) -> Result<(StatusCode, Json<api::DrainStatus>), ApiError> {
    token.require_operator()?;
    let duration = match &drain.duration {
        None => DEFAULT_DRAIN_DURATION,
        Some(text) => humantime::parse_duration(text).map_err(|error| {
            ApiError::invalid(format!("duration: {error}; write \"30s\" or \"5m\""))
        })?,
    };
    if duration > MAX_DRAIN_DURATION {
        return Err(ApiError::invalid("duration: at most a day (\"24h\")"));
    }
    let (token, spread) = (&*token.token_name, humantime::format_duration(duration));
    tracing::info!(token, %spread, "drain begins");
    let status = admin.server.drain.start(&admin.server.connections, duration);
    Ok((StatusCode::ACCEPTED, Json(status)))
}
