//! The probes, the metrics and the status of the host.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::admin_state::AdminState;
use super::api::{self, ProblemKind};
use super::api_error::ApiError;
use super::authorized::{Authorized, ReadScope};
use super::extract::TenantParam;
use super::text_body::TextBody;
use crate::metrics::{self, ExpositionFormat};
use crate::server::Server;
use crate::tenants::{ServedWorker, TenantRuntime};
use narrowboat_core::name::Tenant;
use narrowboat_deploy::rollout::Rollout;
use narrowboat_keyvalue::StoreCondition;
use narrowboat_quota::{LimitKind, LimitUsage};

/// The largest number of recent warnings of a plugin.
const MAX_RECENT_WARNINGS: usize = 10;

/// Responds while the process lives. Requires no token.
#[utoipa::path(get, path = "/healthz", responses((status = 200, description = "The process lives", body = String, content_type = "text/plain")))]
pub(super) async fn healthz() -> &'static str {
    "alive\n"
}

/// Responds with 200 if the host is ready: it accepts connections, and the layers of the tenant `default` are connected.
/// Requires no token.
#[utoipa::path(get, path = "/readyz", responses(
    (status = 200, description = "The host is ready", body = String, content_type = "text/plain"),
    (status = 503, description = "The host is not ready: one reason a line (`stopping`, `draining`, `layer \"NAME\" is disconnected`)", body = String, content_type = "text/plain"),
))]
pub(super) async fn readyz(State(admin): State<Arc<AdminState>>) -> Response {
    let reasons = admin.server.unready_reasons();
    if reasons.is_empty() {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n").into_response()
}

/// Returns the metrics for Prometheus. Requires the scope `read`. A tenant's token gets the metrics of its tenant.
#[utoipa::path(get, path = "/metrics", params(TenantParam), responses(
    (status = 200, description = "OpenMetrics 1.0.0 if `Accept` names `application/openmetrics-text`, else the text format 0.0.4 of Prometheus", content(
        (String = "text/plain"), (String = "application/openmetrics-text"))),
    (status = 401, description = "The token is missing or unknown", body = api::Problem),
    (status = 403, description = "The token lacks the scope or belongs to another tenant, or `Host` or `Origin` is wrong", body = api::Problem),
))]
pub(super) async fn metrics(
    token: Authorized<ReadScope>,
    State(admin): State<Arc<AdminState>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let format = ExpositionFormat::negotiate(&headers);
    match metrics::render(&admin.server, &admin.output_writers, token.tenant.as_ref(), format) {
        Ok(text) => {
            let described =
                [(CONTENT_TYPE, format.content_type()), (VARY, "accept, accept-encoding")];
            Ok((described, TextBody::encode(text, &headers)).into_response())
        }
        Err(_) => Err(ApiError::new(ProblemKind::Unavailable, "the metrics cannot be written")),
    }
}

/// Returns the status of the host, its tenants, plugins, layers and workers. Requires the scope `read`.
#[utoipa::path(get, path = "/v1/status", params(TenantParam), responses(
    (status = 200, description = "The status", body = api::HostStatus),
    (status = 401, description = "The token is missing or unknown", body = api::Problem),
    (status = 403, description = "The token lacks the scope or belongs to another tenant, or `Host` or `Origin` is wrong", body = api::Problem),
))]
pub(super) async fn status(
    token: Authorized<ReadScope>,
    State(admin): State<Arc<AdminState>>,
) -> Json<api::HostStatus> {
    let server = &admin.server;
    let reasons = server.unready_reasons();
    let counts = server.connections.count_by_plugin();
    let (mut plugins, mut layers, mut tenants) = (Vec::new(), Vec::new(), Vec::new());
    let mut workers = Vec::new();
    for (tenant, runtime) in &*server.host.tenants().all() {
        if !token.covers(tenant) {
            continue;
        }
        let mut connections = 0;
        for (name, rollout) in runtime.rollouts() {
            let open = counts.get(&rollout.plugin().label).copied().unwrap_or_default();
            connections += open;
            let settings = runtime.shown_settings(name);
            plugins.push(api::PluginInfo { settings, ..plugin_info(&admin, rollout, open) });
        }
        tenants.push(tenant_info(server, tenant, runtime, connections));
        workers.extend(runtime.workers().iter().map(|worker| worker_info(tenant, worker)));
        layers.extend(runtime.layer_statuses().map(|(name, status)| api::LayerInfo {
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
        ready: reasons.is_empty(),
        not_ready_reasons: reasons,
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
        secret_problems: match token.tenant {
            Some(_) => Vec::new(),
            None => server.host.secret_problems(),
        },
        tenants,
        plugins,
        layers,
        keyvalue: keyvalue_info(server.host.keyvalue().condition()),
        workers,
    })
}

fn keyvalue_info(condition: StoreCondition) -> api::KeyvalueInfo {
    let problem = match condition {
        StoreCondition::Healthy => None,
        StoreCondition::Full(problem) => Some(format!("the disk is full: {problem}")),
        StoreCondition::ReadOnly(problem) => Some(format!("read-only until a restart: {problem}")),
    };
    api::KeyvalueInfo { writable: problem.is_none(), problem }
}

fn tenant_info(
    server: &Server,
    tenant: &Tenant,
    runtime: &TenantRuntime,
    connections: u64,
) -> api::TenantInfo {
    let host_limit = server.host.limits().max_connections as u64;
    let own = runtime.resources.quota.limit(LimitKind::Connections).unwrap_or(host_limit);
    api::TenantInfo {
        name: tenant.to_string(),
        connections,
        max_connections: own.min(host_limit),
        limits: tenant_limits(server, tenant, runtime),
    }
}

/// The limits of a tenant. The key-value store knows the bytes in its buckets, and the quota of a tenant without a limit.
fn tenant_limits(server: &Server, tenant: &Tenant, runtime: &TenantRuntime) -> Vec<api::LimitInfo> {
    let quota = &runtime.resources.quota;
    let (store, kind) = (server.host.keyvalue(), LimitKind::Keyvalue);
    let mut limits: Vec<_> = quota.limit_usage().map(limit_info).collect();
    limits.retain(|limit| limit.name != kind.name());
    limits.push(api::LimitInfo {
        name: kind.name().to_owned(),
        used: store.used_bytes(tenant),
        limit: Some(quota.limit(kind).unwrap_or(store.default_quota_bytes())),
        reached: quota.hit_count(kind),
    });
    limits
}

fn worker_info(tenant: &Tenant, worker: &ServedWorker) -> api::WorkerInfo {
    let config = worker.config();
    let status = worker.schedule_status();
    let schedule = config.cron.as_ref().map(|cron| {
        let format = |time| cron.schedule.format_time(time);
        api::ScheduleInfo {
            cron: cron.schedule.expression().to_owned(),
            timezone: cron.schedule.zone_name().to_owned(),
            at_least_once: cron.at_least_once,
            catch_up: cron.catch_up,
            next_run: worker.next_run().map(format),
            last_run: status.last_run().map(|last| api::ScheduledRunInfo {
                time: format(last.nominal),
                attempt: last.attempt,
                state: last.state.name().to_owned(),
            }),
            missed: status.counters.missed(),
        }
    });
    api::WorkerInfo {
        tenant: tenant.to_string(),
        channel: config.channel.to_string(),
        plugin: config.plugin.clone(),
        instances: config.instances as u64,
        every: config.tick_interval.map(|every| every.to_string()),
        schedule,
    }
}

fn limit_info(limit: LimitUsage) -> api::LimitInfo {
    let LimitUsage { kind, used, limit, hit_count } = limit;
    api::LimitInfo { name: kind.name().to_owned(), used, limit, reached: hit_count }
}

fn plugin_info(admin: &AdminState, rollout: &Rollout, connections: u64) -> api::PluginInfo {
    let (plugin, deploys) = (rollout.plugin(), rollout.counters().snapshot());
    let live = plugin.live_version();
    let traffic = rollout.registry().traffic();
    let lines = admin.log_buffer.last_lines(Some(&plugin.tenant), Some(&plugin.name), usize::MAX);
    let warnings = lines.iter().rev().filter(|line| matches!(&*line.level, "WARN" | "ERROR"));
    api::PluginInfo {
        tenant: plugin.tenant.to_string(),
        name: plugin.name.to_string(),
        version: live.digest().to_string(),
        runtime: live.runtime_digest().map(|runtime| runtime.to_string()),
        in_rollback_window: rollout.is_in_rollback_window(),
        pending: rollout.pending_version().map(|pending| pending.version.to_string()),
        isolation: format!("{:?}", plugin.isolation).to_lowercase(),
        connections,
        events: live.stats().event_counts().events,
        faults: live.stats().event_counts().faults,
        guest_call_seconds: live.stats().call_durations().now().sum.as_secs_f64(),
        deploys: deploys.published,
        refused: deploys.refused,
        rolled_back: deploys.rolled_back,
        frames_received: traffic.received.frames(),
        frames_sent: traffic.sent.frames(),
        limits: plugin.quota.plugin_limit_usage().map(limit_info).collect(),
        settings: BTreeMap::new(),
        recent_warnings: warnings
            .take(MAX_RECENT_WARNINGS)
            .map(|line| api::LogLine::clone(line))
            .collect(),
    }
}
