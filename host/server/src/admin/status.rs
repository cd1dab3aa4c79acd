//! Whether the host lives, whether it is ready, how it fares.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::AdminState;
use super::api_error::{ApiError, TenantParam};
use super::auth::{Authorized, ReadScope};
use crate::Server;
use crate::api::{self, ProblemKind};
use crate::metrics::{self, ExpositionFormat};
use crate::tenant_runtime::TenantRuntime;
use narrowboat_core::name::Tenant;
use narrowboat_deploy::rollout::Rollout;
use narrowboat_quota::{LimitKind, LimitUsage};

/// Faults that are shown of a plugin.
const MAX_LISTED_FAULTS: usize = 10;

/// Lives: needs no token.
#[utoipa::path(get, path = "/healthz", responses((status = 200, description = "The host lives", body = String, content_type = "text/plain")))]
pub(super) async fn healthz() -> &'static str {
    "alive\n"
}

/// Takes connections, and reaches its layers: needs no token.
#[utoipa::path(get, path = "/readyz", responses(
    (status = 200, description = "The host is ready", body = String, content_type = "text/plain"),
    (status = 503, description = "What is missing", body = String, content_type = "text/plain"),
))]
pub(super) async fn readyz(State(admin): State<Arc<AdminState>>) -> Response {
    let missing = admin.server.unready_reasons();
    if missing.is_empty() {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n").into_response()
}

/// Figures for Prometheus. Scope `read`.
#[utoipa::path(get, path = "/metrics", params(TenantParam), responses(
    (status = 200, description = "OpenMetrics where `Accept` names it, else Prometheus's text format", content(
        (String = "text/plain"), (String = "application/openmetrics-text"))),
    (status = 401, description = "No token", body = api::Problem),
    (status = 403, description = "Asked from another site", body = api::Problem),
))]
pub(super) async fn metrics(
    token: Authorized<ReadScope>,
    State(admin): State<Arc<AdminState>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let format = ExpositionFormat::negotiate(&headers);
    match metrics::render(&admin.server, &admin.output_writers, token.tenant.as_ref(), format) {
        Ok(text) => {
            let headers = [(CONTENT_TYPE, format.content_type()), (VARY, "accept")];
            Ok((headers, text).into_response())
        }
        Err(_) => Err(ApiError::new(ProblemKind::Unavailable, "the figures cannot be written")),
    }
}

/// How the host, its plugins and its layers fare. Scope `read`.
#[utoipa::path(get, path = "/v1/status", params(TenantParam), responses(
    (status = 200, description = "How the host fares", body = api::HostStatus),
    (status = 401, description = "No token", body = api::Problem),
    (status = 403, description = "Asked from another site", body = api::Problem),
))]
pub(super) async fn status(
    token: Authorized<ReadScope>,
    State(admin): State<Arc<AdminState>>,
) -> Json<api::HostStatus> {
    let server = &admin.server;
    let missing = server.unready_reasons();
    let counts = server.connections.count_by_plugin();
    let (mut plugins, mut layers, mut tenants) = (Vec::new(), Vec::new(), Vec::new());
    for (tenant, world) in &*server.host.tenants().all() {
        if !token.covers(tenant) {
            continue;
        }
        let mut connections = 0;
        for (_, swap) in world.rollouts() {
            let open = counts.get(&swap.plugin().label).copied().unwrap_or_default();
            connections += open;
            plugins.push(plugin_info(&admin, swap, open));
        }
        tenants.push(tenant_info(server, tenant, world, connections));
        layers.extend(world.layer_statuses().map(|(name, status)| api::LayerInfo {
            tenant: tenant.to_string(),
            name: name.to_owned(),
            connected: status.is_connected,
            queued: status.queued_count as u64,
            dropped: status.dropped_count,
            lost: status.lost_count,
        }));
    }
    Json(api::HostStatus {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_seconds: server.started_at.elapsed().as_secs(),
        ready: missing.is_empty(),
        not_ready_reasons: missing,
        draining: server.drain.status(&server.connections),
        connections: tenants.iter().map(|tenant| tenant.connections).sum(),
        max_connections: match (&token.tenant, &*tenants) {
            (Some(_), [tenant]) => tenant.max_connections,
            _ => server.host.limits().max_connections as u64,
        },
        limits: match token.tenant {
            Some(_) => Vec::new(),
            None => server.host.host_quota().limit_usage().map(limit_info).collect(),
        },
        tenants,
        plugins,
        layers,
    })
}

fn tenant_info(
    server: &Server,
    tenant: &Tenant,
    world: &TenantRuntime,
    connections: u64,
) -> api::TenantInfo {
    let of_host = server.host.limits().max_connections as u64;
    let own = world.resources.quota.limit(LimitKind::Connections).unwrap_or(of_host);
    api::TenantInfo {
        name: tenant.to_string(),
        connections,
        max_connections: own.min(of_host),
        limits: world.resources.quota.limit_usage().map(limit_info).collect(),
    }
}

fn limit_info(limit: LimitUsage) -> api::LimitInfo {
    let LimitUsage { kind: bound, used, limit, hit_count: reached } = limit;
    api::LimitInfo { name: bound.name().to_owned(), used, limit, reached }
}

fn plugin_info(admin: &AdminState, swap: &Rollout, connections: u64) -> api::PluginInfo {
    let (plugin, counts) = (swap.plugin(), swap.counters().snapshot());
    let live = plugin.live_version();
    let traffic = swap.registry().traffic();
    let lines = admin.log_buffer.last_lines(Some(&plugin.tenant), Some(&plugin.name), usize::MAX);
    let faults = lines.iter().rev().filter(|line| matches!(&*line.level, "WARN" | "ERROR"));
    api::PluginInfo {
        tenant: plugin.tenant.to_string(),
        name: plugin.name.to_string(),
        version: live.digest().to_string(),
        in_rollback_window: swap.is_in_rollback_window(),
        pending: swap.pending_version().map(|pending| pending.version.to_string()),
        isolation: format!("{:?}", plugin.isolation).to_lowercase(),
        connections,
        events: live.stats().event_counts().events,
        faults: live.stats().event_counts().faults,
        guest_call_seconds: live.stats().call_durations().now().sum.as_secs_f64(),
        deploys: counts.published,
        refused: counts.refused,
        rolled_back: counts.rolled_back,
        frames_received: traffic.received.frames(),
        frames_sent: traffic.sent.frames(),
        limits: plugin.quota.plugin_limit_usage().map(limit_info).collect(),
        recent_warnings: faults
            .take(MAX_LISTED_FAULTS)
            .map(|line| api::LogLine::clone(line))
            .collect(),
    }
}
