//! The open connections, and an end to one of them.

#![allow(unused_qualifications, reason = "in what utoipa makes")]

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::AdminState;
use super::api_error::{ApiError, TenantParam, ValidatedJson, ValidatedQuery};
use super::auth::{AdminScope, Authorized, ReadScope};
use crate::api;
use crate::connection_registry::OpenConnection;
use narrowboat_core::close_frame::{CloseFrame, MAX_REASON_BYTES, code};

/// Connections that one answer lists at most.
const MAX_LISTED_CONNECTIONS: usize = 1_000;

/// Which connections to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ConnectionsQuery {
    /// Those of one plugin
    plugin: Option<String>,
    /// Those of one tenant; of all if left out, or of the token's own
    #[serde(rename = "tenant")]
    _tenant: Option<String>,
    /// So many at most; 100 if left out, and never more than 1,000
    limit: Option<usize>,
}

/// The open connections, the newest first. Scope `read`.
#[utoipa::path(get, path = "/v1/connections", params(ConnectionsQuery), responses(
    (status = 200, description = "Open connections", body = api::ConnectionList),
    (status = 400, description = "No such question", body = api::Problem),
    (status = 401, description = "No token", body = api::Problem),
    (status = 403, description = "Asked from another site", body = api::Problem),
))]
pub(super) async fn connections(
    token: Authorized<ReadScope>,
    State(admin): State<Arc<AdminState>>,
    ValidatedQuery(which): ValidatedQuery<ConnectionsQuery>,
) -> Json<api::ConnectionList> {
    let mut open = admin.server.connections.connections();
    open.retain(|open| token.covers(&open.plugin.tenant));
    if let Some(plugin) = &which.plugin {
        open.retain(|open| *open.plugin.name == **plugin);
    }
    let total = open.len() as u64;
    open.sort_unstable_by_key(|open| std::cmp::Reverse(open.id));
    open.truncate(which.limit.unwrap_or(100).min(MAX_LISTED_CONNECTIONS));
    Json(api::ConnectionList { total, connections: open.iter().map(connection_info).collect() })
}

fn connection_info(open: &OpenConnection) -> api::ConnectionInfo {
    api::ConnectionInfo {
        channel: open.handle.channel.to_string(),
        tenant: open.plugin.tenant.to_string(),
        plugin: open.plugin.name.to_string(),
        client: open.scope.client.to_string(),
        path: open.scope.path.clone(),
        age_seconds: open.opened_at.elapsed().as_secs(),
        buffered_bytes: open.handle.outbound.buffered_bytes() as u64,
    }
}

/// Closes a connection. Scope `admin`.
#[utoipa::path(post, path = "/v1/connections/{channel}/close", params(TenantParam, ("channel" = String, Path, description = "The connection's channel")),
    request_body = api::CloseRequest, responses(
    (status = 204, description = "It closes"),
    (status = 400, description = "No such code or reason", body = api::Problem),
    (status = 401, description = "No token", body = api::Problem),
    (status = 403, description = "The token does not allow it", body = api::Problem),
    (status = 404, description = "No such connection", body = api::Problem),
))]
pub(super) async fn close(
    token: Authorized<AdminScope>,
    State(admin): State<Arc<AdminState>>,
    Path(channel): Path<String>,
    ValidatedJson(close): ValidatedJson<api::CloseRequest>,
) -> Result<StatusCode, ApiError> {
    let api::CloseRequest { code, reason } = close;
    let is_legal = matches!(
        code,
        code::NORMAL_CLOSURE | code::GOING_AWAY | code::POLICY_VIOLATION | 1011..=1013
    ) || (3000..=4999).contains(&code);
    if !is_legal {
        let error = format!(
            "{code} is no code to close with; there are 1000, 1001, 1008, 1011 to \
                             1013 and 3000 to 4999"
        );
        return Err(ApiError::invalid(error));
    }
    if reason.len() > MAX_REASON_BYTES {
        return Err(ApiError::invalid(format!("a reason has at most {MAX_REASON_BYTES} bytes")));
    }
    let open = admin.server.connections.connections();
    let mut open = open.iter().filter(|open| token.covers(&open.plugin.tenant));
    let Some(open) = open.find(|open| open.handle.channel.as_str() == channel) else {
        return Err(ApiError::not_found(format!("there is no connection {channel:?}")));
    };
    let plugin = &*open.plugin.label;
    tracing::info!(plugin, channel, "closed with {code} by {}", token.token_name);
    open.handle.outbound.close(CloseFrame::new(code, reason));
    Ok(StatusCode::NO_CONTENT)
}
