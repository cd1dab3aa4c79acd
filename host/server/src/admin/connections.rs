//! The open connections, and an end to one of them.

#![allow(unused_qualifications, reason = "in what utoipa makes")]

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Admin;
use super::auth::{May, ToAdminister, ToRead};
use super::problem::{Asked, Given, OfTenant, Refusal};
use crate::api;
use crate::links::Open;
use narrowboat_core::closure::{Closure, MAX_REASON, code};

/// Connections that one answer lists at most.
const MOST: usize = 1_000;

/// Which connections to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Those of one plugin
    plugin: Option<String>,
    /// Those of one tenant; of all if left out, or of the token's own
    #[serde(rename = "tenant")]
    _tenant: Option<String>,
    /// So many at most; 100 if left out, and never more than 1,000
    limit: Option<usize>,
}

/// The open connections, the newest first. Scope `read`.
#[utoipa::path(get, path = "/v1/connections", params(Which), responses(
    (status = 200, description = "Open connections", body = api::Connections),
    (status = 400, description = "No such question", body = api::Problem),
    (status = 401, description = "No token", body = api::Problem),
    (status = 403, description = "Asked from another site", body = api::Problem),
))]
pub(super) async fn connections(
    token: May<ToRead>,
    State(admin): State<Arc<Admin>>,
    Asked(which): Asked<Which>,
) -> Json<api::Connections> {
    let mut open = admin.server.links.open();
    open.retain(|open| token.is_about(&open.plugin.tenant));
    if let Some(plugin) = &which.plugin {
        open.retain(|open| *open.plugin.name == **plugin);
    }
    let total = open.len() as u64;
    open.sort_unstable_by_key(|open| std::cmp::Reverse(open.id));
    open.truncate(which.limit.unwrap_or(100).min(MOST));
    Json(api::Connections { total, connections: open.iter().map(connection).collect() })
}

fn connection(open: &Open) -> api::Connection {
    api::Connection {
        channel: open.link.channel.to_string(),
        tenant: open.plugin.tenant.to_string(),
        plugin: open.plugin.name.to_string(),
        client: open.scope.client.to_string(),
        path: open.scope.path.clone(),
        age: open.since.elapsed().as_secs(),
        buffered: open.link.outbound.buffered() as u64,
    }
}

/// Closes a connection. Scope `admin`.
#[utoipa::path(post, path = "/v1/connections/{channel}/close", params(OfTenant, ("channel" = String, Path, description = "The connection's channel")),
    request_body = api::Close, responses(
    (status = 204, description = "It closes"),
    (status = 400, description = "No such code or reason", body = api::Problem),
    (status = 401, description = "No token", body = api::Problem),
    (status = 403, description = "The token does not allow it", body = api::Problem),
    (status = 404, description = "No such connection", body = api::Problem),
))]
pub(super) async fn close(
    token: May<ToAdminister>,
    State(admin): State<Arc<Admin>>,
    Path(channel): Path<String>,
    Given(close): Given<api::Close>,
) -> Result<StatusCode, Refusal> {
    let api::Close { code, reason } = close;
    let is_legal = matches!(code, code::NORMAL | code::GOING_AWAY | code::POLICY | 1011..=1013)
        || (3000..=4999).contains(&code);
    if !is_legal {
        let error = format!(
            "{code} is no code to close with; there are 1000, 1001, 1008, 1011 to \
                             1013 and 3000 to 4999"
        );
        return Err(Refusal::invalid(error));
    }
    if reason.len() > MAX_REASON {
        return Err(Refusal::invalid(format!("a reason has at most {MAX_REASON} bytes")));
    }
    let open = admin.server.links.open();
    let mut open = open.iter().filter(|open| token.is_about(&open.plugin.tenant));
    let Some(open) = open.find(|open| open.link.channel.as_str() == channel) else {
        return Err(Refusal::not_found(format!("there is no connection {channel:?}")));
    };
    let plugin = &*open.plugin.label;
    tracing::info!(plugin, channel, "closed with {code} by {}", token.name);
    open.link.outbound.close(Closure::new(code, reason));
    Ok(StatusCode::NO_CONTENT)
}
