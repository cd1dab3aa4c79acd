//! The versions of plugins: list, deploy, roll back and approve.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::Deserialize;

use super::admin_state::AdminState;
use super::api::{self, ProblemKind};
use super::api_error::ApiError;
use super::authorized::{ApproveScope, Authorized, DeployScope, ReadScope};
use super::concurrency::{ConcurrencyLimit, ConcurrencyPermit};
use super::deploy_outcome::submit_deploy;
use super::extract::{TenantParam, ValidatedJson, ValidatedQuery};
use super::upload::read_upload;
use narrowboat_core::capabilities::format_missing;
use narrowboat_deploy::rollout::{DeploySource, Rollout};
use narrowboat_deploy::versions::{PluginVersionStore, PluginVersionStoreError, VersionState};
use narrowboat_runtime::{Build, Sha256Digest};

/// The rollout of a plugin of the tenant that the request is about.
fn find_rollout<S>(
    token: &Authorized<S>,
    admin: &AdminState,
    plugin: &str,
) -> Result<Arc<Rollout>, ApiError> {
    let runtime = token.tenant_runtime(admin)?;
    let known_names = runtime.rollouts().map(|(name, _)| name.as_str());
    runtime
        .rollout(plugin)
        .cloned()
        .ok_or_else(|| ApiError::unknown_name("plugin", plugin, known_names))
}

/// The version store of a plugin.
fn version_store(rollout: &Rollout) -> Result<Arc<PluginVersionStore>, ApiError> {
    let error = "this host stores no versions; [versions] turns that on";
    let store = rollout.version_store().cloned();
    store.ok_or_else(|| ApiError::new(ProblemKind::Unavailable, error))
}

/// Lists the versions of a plugin, the newest first. Requires the scope `read`.
#[utoipa::path(get, path = "/v1/plugins/{plugin}/versions", params(TenantParam, ("plugin" = String, Path, description = "The name of the plugin in routes")), responses(
    (status = 200, description = "The versions", body = api::VersionList),
    (status = 401, description = "The token is missing or unknown", body = api::Problem),
    (status = 403, description = "The token lacks the scope or belongs to another tenant, or `Host` or `Origin` is wrong", body = api::Problem),
    (status = 404, description = "There is no such plugin or tenant", body = api::Problem),
))]
pub(super) async fn versions(
    token: Authorized<ReadScope>,
    State(admin): State<Arc<AdminState>>,
    Path(plugin): Path<String>,
) -> Result<Json<api::VersionList>, ApiError> {
    let rollout = find_rollout(&token, &admin, &plugin)?;
    let versions = version_store(&rollout)?.list().into_iter().map(|record| api::VersionInfo {
        version: record.version.to_string(),
        size: record.size,
        deployed_by: record.deployed_by,
        deployed_at: record.deployed_at,
        state: record.state.as_str().to_owned(),
        reason: match record.state.is_awaiting_approval() {
            true => Some(format!(
                "requests more capabilities: {}",
                format_missing(&record.extra_capabilities)
            )),
            false => record.reason,
        },
        extra_capabilities: record.extra_capabilities,
        approved_by: record.approved_by,
    });
    Ok(Json(api::VersionList {
        plugin,
        in_rollback_window: rollout.is_in_rollback_window(),
        versions: versions.collect(),
    }))
}

/// The options of a deploy.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DeployQuery {
    /// `true` deploys bytes although they were rolled back for their faults. Default: `false`
    #[serde(default)]
    force: bool,
}

/// Deploys a component or a source bundle. Requires the scope `deploy`. The response comes when the version is live and every consumer has
/// moved.
#[utoipa::path(post, path = "/v1/plugins/{plugin}/versions", params(TenantParam, DeployQuery,
    ("plugin" = String, Path, description = "The name of the plugin in routes"),
    ("Narrowboat-Signature" = Option<String>, Header, description = "The Ed25519 signature of the bytes, its 64 bytes as base64. Required if the configuration has `[signatures]`")),
    request_body(content((Vec<u8> = "application/wasm"), (Vec<u8> = "application/x-tar")), description = "The bytes of the component or source bundle, at most `max_upload` of `[admin]`, within 300 seconds"), responses(
    (status = 200, description = "The version is live", body = api::DeployResponse),
    (status = 400, description = "The upload was interrupted or took too long, or the header is not a signature", body = api::Problem),
    (status = 401, description = "The token is missing or unknown", body = api::Problem),
    (status = 403, description = "The token lacks the scope or belongs to another tenant, or `Host` or `Origin` is wrong", body = api::Problem),
    (status = 404, description = "There is no such plugin or tenant", body = api::Problem),
    (status = 409, description = "The version requests more capabilities than the live one, and waits for approval", body = api::Problem),
    (status = 413, description = "The upload is larger than `max_upload` of `[admin]`", body = api::Problem),
    (status = 422, description = "The version is refused; the live version stays", body = api::Problem),
    (status = 429, description = "The tenant or the plugin has reached `deploys_per_minute`; `Retry-After` has the seconds to wait", body = api::Problem),
    (status = 503, description = "Too many deploys are under way or queued, the plugin was reloaded meanwhile, or the host is stopping", body = api::Problem),
))]
pub(super) async fn deploy(
    token: Authorized<DeployScope>,
    State(admin): State<Arc<AdminState>>,
    Path(plugin): Path<String>,
    ValidatedQuery(query): ValidatedQuery<DeployQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<api::DeployResponse>, ApiError> {
    // Before the upload, which would be for nothing if there is no such plugin.
    let quota = Arc::clone(&find_rollout(&token, &admin, &plugin)?.plugin().quota);
    quota.try_begin_deploy().map_err(ApiError::too_many_deploys)?;
    let _permit = acquire_permit(&admin.upload_limit, &token)?;
    let build = read_upload(&headers, body, admin.max_upload).await?;
    let source = DeploySource::Deploy { by: token.token_name.to_string(), force: query.force };
    // Again, because a reload may have replaced the plugin during the upload.
    let rollout = find_rollout(&token, &admin, &plugin)?;
    submit_deploy(&rollout, build, source).await
}

/// Acquires one of the operations that may run at a time.
fn acquire_permit<S>(
    limit: &Arc<ConcurrencyLimit>,
    token: &Authorized<S>,
) -> Result<ConcurrencyPermit, ApiError> {
    limit.try_acquire(token.token_tenant()).ok_or_else(|| {
        ApiError::new(ProblemKind::Unavailable, "too many deploys at a time; try again later")
    })
}

/// Makes an older version live again; consumers keep their state. Requires the scope `deploy`.
#[utoipa::path(post, path = "/v1/plugins/{plugin}/rollback", params(TenantParam, ("plugin" = String, Path, description = "The name of the plugin in routes")),
    request_body = api::RollbackRequest, responses(
    (status = 200, description = "The version is live", body = api::DeployResponse),
    (status = 400, description = "`version` is not four or more hexadecimal digits, or several versions begin with them", body = api::Problem),
    (status = 401, description = "The token is missing or unknown", body = api::Problem),
    (status = 403, description = "The token lacks the scope or belongs to another tenant, or `Host` or `Origin` is wrong", body = api::Problem),
    (status = 404, description = "There is no such plugin, version or tenant", body = api::Problem),
    (status = 409, description = "The version requests more capabilities than the live one, and waits for approval", body = api::Problem),
    (status = 422, description = "The version is refused; the live version stays", body = api::Problem),
    (status = 503, description = "Too many deploys are under way or queued, the plugin was reloaded meanwhile, or the host is stopping", body = api::Problem),
))]
pub(super) async fn rollback(
    token: Authorized<DeployScope>,
    State(admin): State<Arc<AdminState>>,
    Path(plugin): Path<String>,
    ValidatedJson(request): ValidatedJson<api::RollbackRequest>,
) -> Result<Json<api::DeployResponse>, ApiError> {
    let store = version_store(&*find_rollout(&token, &admin, &plugin)?)?;
    let version = match &request.version {
        Some(digits) => find_version(&store, digits)?,
        None => match store.previous() {
            Some(previous) => previous.version,
            None => return Err(ApiError::not_found("there is no version before the live one")),
        },
    };
    let _permit = acquire_permit(&admin.rollback_limit, &token)?;
    let build = read_kept_version(store, version).await?;
    submit_deploy(
        &*find_rollout(&token, &admin, &plugin)?,
        build,
        DeploySource::Rollback { by: token.token_name.to_string() },
    )
    .await
}

/// Reads the component of a version from the store.
async fn read_kept_version(
    store: Arc<PluginVersionStore>,
    version: Sha256Digest,
) -> Result<Build, ApiError> {
    let build = tokio::task::spawn_blocking(move || store.load_build(version)).await;
    let build = build.map_err(|error| ApiError::invalid(error.to_string()))?;
    build.map_err(|error| match error {
        PluginVersionStoreError::Unknown(_) => ApiError::not_found(error.to_string()),
        error => ApiError::new(ProblemKind::Refused, error.to_string()),
    })
}

/// Approves the capabilities that a pending version requests, and makes it live. Requires the scope `approve`.
#[utoipa::path(post, path = "/v1/plugins/{plugin}/approve", params(TenantParam, ("plugin" = String, Path, description = "The name of the plugin in routes")),
    request_body = api::ApproveRequest, responses(
    (status = 200, description = "The version is live", body = api::DeployResponse),
    (status = 400, description = "`version` is not four or more hexadecimal digits, or several versions begin with them", body = api::Problem),
    (status = 401, description = "The token is missing or unknown", body = api::Problem),
    (status = 403, description = "The token lacks the scope or belongs to another tenant, or `Host` or `Origin` is wrong", body = api::Problem),
    (status = 404, description = "There is no such plugin or tenant, or the version does not wait for approval", body = api::Problem),
    (status = 422, description = "The version is refused; the live version stays", body = api::Problem),
    (status = 503, description = "Too many deploys are under way or queued, the plugin was reloaded meanwhile, or the host is stopping", body = api::Problem),
))]
pub(super) async fn approve(
    token: Authorized<ApproveScope>,
    State(admin): State<Arc<AdminState>>,
    Path(plugin): Path<String>,
    ValidatedJson(request): ValidatedJson<api::ApproveRequest>,
) -> Result<Json<api::DeployResponse>, ApiError> {
    let store = version_store(&*find_rollout(&token, &admin, &plugin)?)?;
    let version = find_version(&store, &request.version)?;
    if !store.is_awaiting_approval(version) {
        let error = format!("version {} does not wait for an approval", version.short_hex());
        return Err(ApiError::not_found(error));
    }
    let _permit = acquire_permit(&admin.rollback_limit, &token)?;
    let build = read_kept_version(store, version).await?;
    submit_deploy(
        &*find_rollout(&token, &admin, &plugin)?,
        build,
        DeploySource::Approval { by: token.token_name.to_string() },
    )
    .await
}

/// The stored version whose SHA-256 begins with these digits.
fn find_version(store: &PluginVersionStore, digits: &str) -> Result<Sha256Digest, ApiError> {
    if digits.len() < 4 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        let error = "name a version by its SHA-256, or by four or more of its first digits";
        return Err(ApiError::invalid(error));
    }
    let digits = digits.to_ascii_lowercase();
    let matches = store.list().into_iter().filter(|record| {
        record.state != VersionState::Refused && record.version.to_string().starts_with(&digits)
    });
    match matches.collect::<Vec<_>>().as_slice() {
        [one] => Ok(one.version),
        [] => Err(ApiError::not_found(format!("there is no stored version {digits}"))),
        _ => Err(ApiError::invalid(format!(
            "several versions begin with {digits}; give more digits"
        ))),
    }
}
