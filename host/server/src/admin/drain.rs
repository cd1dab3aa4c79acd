//! An end to all connections, a few at a time.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::Admin;
use super::auth::{May, ToAdminister};
use super::problem::{Given, Refusal};
use crate::api;

/// The time over which closes are spread unless something else is said.
const OVER: Duration = Duration::from_secs(30);

/// The longest such time.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Takes no more connections, and closes those there are with 1012, spread over a time. Scope `admin`. How
/// it goes on `/v1/status` says.
#[utoipa::path(post, path = "/v1/drain", request_body = api::Drain, responses(
    (status = 202, description = "It has begun", body = api::Draining),
    (status = 400, description = "Not a time", body = api::Problem),
    (status = 401, description = "No token", body = api::Problem),
    (status = 403, description = "The token does not allow it", body = api::Problem),
))]
pub(super) async fn drain(
    token: May<ToAdminister>,
    State(admin): State<Arc<Admin>>,
    Given(drain): Given<api::Drain>,
) -> Result<(StatusCode, Json<api::Draining>), Refusal> {
    token.check_operator()?;
    let over = match &drain.over {
        None => OVER,
        Some(over) => humantime::parse_duration(over)
            .map_err(|error| Refusal::invalid(format!("over: {error}; write \"30s\" or \"5m\"")))?,
    };
    if over > LONGEST {
        return Err(Refusal::invalid("over: a day at most"));
    }
    tracing::info!("draining over {}, by {}", humantime::format_duration(over), token.name);
    let draining = admin.server.drain.begin(&admin.server, over);
    Ok((StatusCode::ACCEPTED, Json(draining)))
}
