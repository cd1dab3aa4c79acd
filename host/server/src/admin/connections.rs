//! `GET /v1/connections` and `POST /v1/connections/{channel}/close`.

#![allow(unused_qualifications, reason = "in the code that utoipa generates")]

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::admin_state::AdminState;
use super::api;
use super::api_error::ApiError;
use super::authorized::{AdminScope, Authorized, ReadScope};
use super::extract::{TenantParam, ValidatedJson, ValidatedQuery};
use crate::connection_registry::OpenConnection;
use narrowboat_core::close_frame::{CloseFrame, MAX_REASON_BYTES};

/// The number of connections that a response lists if the request does not say it.
const DEFAULT_LISTED_CONNECTIONS: usize = 100;

/// The largest number of connections that a response lists.
const MAX_LISTED_CONNECTIONS: usize = 1_000;

/// The connections to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ConnectionsQuery {
    /// Lists only connections of this plugin
    plugin: Option<String>,
    /// Lists only connections of this tenant. Default: the tenant of the token; with an operator's token all tenants
    #[serde(rename = "tenant")]
    _tenant: Option<String>,
    /// The largest number of connections to list, at most 1,000. Default: 100
    limit: Option<usize>,
}

/// Lists open connections, the newest first. Requires the scope `read`.
#[utoipa::path(get, path = "/v1/connections", params(ConnectionsQuery), responses(
    (status = 200, description = "The open connections", body = api::ConnectionList),
    (status = 400, description = "A query parameter is unknown or not valid", body = api::Problem),
    (status = 401, description = "The token is missing or unknown", body = api::Problem),
    (status = 403, description = "The token lacks the scope or belongs to another tenant, or `Host` or `Origin` is wrong", body = api::Problem),
    (status = 404, description = "There is no such plugin or tenant", body = api::Problem),
))]
pub(super) async fn connections(
    token: Authorized<ReadScope>,
    State(admin): State<Arc<AdminState>>,
    ValidatedQuery(query): ValidatedQuery<ConnectionsQuery>,
) -> Result<Json<api::ConnectionList>, ApiError> {
    let mut open = admin.server.connections.connections();
    open.retain(|open| token.covers(&open.plugin.tenant));
    if let Some(plugin) = &query.plugin {
        token.require_plugin(&admin, plugin)?;
        open.retain(|open| *open.plugin.name == **plugin);
    }
    let total = open.len() as u64;
    open.sort_unstable_by_key(|open| std::cmp::Reverse(open.id));
    open.truncate(query.limit.unwrap_or(DEFAULT_LISTED_CONNECTIONS).min(MAX_LISTED_CONNECTIONS));
    let connections = open.iter().map(connection_info).collect();
    Ok(Json(api::ConnectionList { total, connections }))
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

/// Closes a connection. Requires the scope `admin`.
#[utoipa::path(post, path = "/v1/connections/{channel}/close", params(TenantParam, ("channel" = String, Path, description = "The channel of the connection")),
    request_body = api::CloseRequest, responses(
    (status = 204, description = "The connection closes"),
    (status = 400, description = "The code is not allowed, or the reason is too long", body = api::Problem),
    (status = 401, description = "The token is missing or unknown", body = api::Problem),
    (status = 403, description = "The token lacks the scope or belongs to another tenant, or `Host` or `Origin` is wrong", body = api::Problem),
    (status = 404, description = "There is no such connection", body = api::Problem),
))]
pub(super) async fn close(
    token: Authorized<AdminScope>,
    State(admin): State<Arc<AdminState>>,
    Path(channel): Path<String>,
    ValidatedJson(close): ValidatedJson<api::CloseRequest>,
) -> Result<StatusCode, ApiError> {
    let api::CloseRequest { code, reason } = close;
    if !CloseFrame::is_allowed_for_operator(code) {
        let error = format!(
            "the close code {code} is not allowed; allowed are 1000, 1001, 1008, 1011 to 1013, and 3000 to 4999"
        );
        return Err(ApiError::invalid(error));
    }
    if reason.len() > MAX_REASON_BYTES {
        return Err(ApiError::invalid(format!(
            "the reason has more than {MAX_REASON_BYTES} bytes"
        )));
    }
    let open = admin.server.connections.connections();
    let mut open = open.iter().filter(|open| token.covers(&open.plugin.tenant));
    let Some(open) = open.find(|open| open.handle.channel.as_str() == channel) else {
        return Err(ApiError::not_found(format!("there is no connection {channel:?}")));
    };
    let (plugin, token) = (&*open.plugin.label, &*token.token_name);
    tracing::info!(plugin, channel, token, code, "connection closed by an operator");
    open.handle.outbound.close(CloseFrame::new(code, reason));
    Ok(StatusCode::NO_CONTENT)
}
