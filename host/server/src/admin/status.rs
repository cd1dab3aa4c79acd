//! Whether the host lives, whether it is ready, how it fares.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::Admin;
use super::auth::{May, ToRead};
use super::problem::{OfTenant, Refusal};
use crate::Server;
use crate::api::{self, ProblemKind};
use crate::metrics::{self, Format};
use crate::world::World;
use narrowboat_core::name::Tenant;
use narrowboat_deploy::swap::Swap;
use narrowboat_quota::{Bound, LimitUse};

/// Faults that are shown of a plugin.
const FAULTS: usize = 10;

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
pub(super) async fn readyz(State(admin): State<Arc<Admin>>) -> Response {
    let missing = admin.server.missing();
    if missing.is_empty() {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n").into_response()
}

/// Figures for Prometheus. Scope `read`.
#[utoipa::path(get, path = "/metrics", params(OfTenant), responses(
    (status = 200, description = "OpenMetrics where `Accept` names it, else Prometheus's text format", content(
        (String = "text/plain"), (String = "application/openmetrics-text"))),
    (status = 401, description = "No token", body = api::Problem),
    (status = 403, description = "Asked from another site", body = api::Problem),
))]
pub(super) async fn metrics(
    token: May<ToRead>,
    State(admin): State<Arc<Admin>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let format = Format::accepted(&headers);
    match metrics::text(&admin.server, &admin.streams, token.about.as_ref(), format) {
        Ok(text) => {
            let headers = [(CONTENT_TYPE, format.content_type()), (VARY, "accept")];
            Ok((headers, text).into_response())
        }
        Err(_) => Err(Refusal::new(ProblemKind::Unavailable, "the figures cannot be written")),
    }
}

/// How the host, its plugins and its layers fare. Scope `read`.
#[utoipa::path(get, path = "/v1/status", params(OfTenant), responses(
    (status = 200, description = "How the host fares", body = api::Status),
    (status = 401, description = "No token", body = api::Problem),
    (status = 403, description = "Asked from another site", body = api::Problem),
))]
pub(super) async fn status(
    token: May<ToRead>,
    State(admin): State<Arc<Admin>>,
) -> Json<api::Status> {
    let server = &admin.server;
    let missing = server.missing();
    let counts = server.links.count_by_plugin();
    let (mut plugins, mut layers, mut tenants) = (Vec::new(), Vec::new(), Vec::new());
    for (tenant, world) in &*server.host.worlds().all() {
        if !token.is_about(tenant) {
            continue;
        }
        let mut connections = 0;
        for (_, swap) in world.swaps() {
            let open = counts.get(&swap.plugin().label).copied().unwrap_or_default();
            connections += open;
            plugins.push(plugin(&admin, swap, open));
        }
        tenants.push(tenant_use(server, tenant, world, connections));
        layers.extend(world.layers().map(|(name, status)| api::Layer {
            tenant: tenant.to_string(),
            name: name.to_owned(),
            connected: status.connected,
            waiting: status.waiting as u64,
            dropped: status.dropped,
            lost: status.lost,
        }));
    }
    Json(api::Status {
        narrowboat: env!("CARGO_PKG_VERSION").to_owned(),
        uptime: server.began.elapsed().as_secs(),
        ready: missing.is_empty(),
        missing,
        draining: server.drain.progress(&server.links),
        connections: tenants.iter().map(|tenant| tenant.connections).sum(),
        max_connections: match (&token.about, &*tenants) {
            (Some(_), [tenant]) => tenant.max_connections,
            _ => server.host.limits().max_connections as u64,
        },
        limits: match token.about {
            Some(_) => Vec::new(),
            None => server.host.meter().limits().map(limit).collect(),
        },
        tenants,
        plugins,
        layers,
    })
}

fn tenant_use(server: &Server, tenant: &Tenant, world: &World, connections: u64) -> api::TenantUse {
    let of_host = server.host.limits().max_connections as u64;
    let own = world.part.meter.limit(Bound::Connections).unwrap_or(of_host);
    api::TenantUse {
        name: tenant.to_string(),
        connections,
        max_connections: own.min(of_host),
        limits: world.part.meter.limits().map(limit).collect(),
    }
}

fn limit(limit: LimitUse) -> api::Limit {
    let LimitUse { bound, used, limit, reached } = limit;
    api::Limit { name: bound.name().to_owned(), used, limit, reached }
}

fn plugin(admin: &Admin, swap: &Swap, connections: u64) -> api::Plugin {
    let (plugin, counts) = (swap.plugin(), swap.counts().get());
    let live = plugin.live();
    let traffic = swap.roster().traffic();
    let lines = admin.journal.last(Some(&plugin.tenant), Some(&plugin.name), usize::MAX);
    let faults = lines.iter().rev().filter(|line| matches!(&*line.level, "WARN" | "ERROR"));
    api::Plugin {
        tenant: plugin.tenant.to_string(),
        name: plugin.name.to_string(),
        version: live.digest().to_string(),
        on_trial: swap.is_on_trial(),
        pending: swap.pending().map(|pending| pending.version.to_string()),
        isolation: format!("{:?}", plugin.isolation).to_lowercase(),
        connections,
        events: live.tally().count().events,
        faults: live.tally().count().faults,
        guest_seconds: live.tally().times().now().sum.as_secs_f64(),
        swaps: counts.swaps,
        refused: counts.refused,
        rolled_back: counts.taken_back,
        frames_in: traffic.received.frames(),
        frames_out: traffic.sent.frames(),
        limits: plugin.allowance.own_limits().map(limit).collect(),
        last_faults: faults.take(FAULTS).map(|line| api::LogLine::clone(line)).collect(),
    }
}
