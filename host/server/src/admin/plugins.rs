//! Which versions plugins have, and which one is live.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;
use serde::Deserialize;

use super::AdminState;
use super::api_error::{ApiError, TenantParam, ValidatedJson, ValidatedQuery};
use super::auth::{ApproveScope, Authorized, DeployScope, ReadScope};
use super::concurrency::ConcurrencyPermit;
use crate::api::{self, ProblemKind};
use narrowboat_config::signature::{MissingSignature, Signature};
use narrowboat_core::capabilities::{Capabilities, format_missing};
use narrowboat_deploy::rollout::{
    self, DeployOutcome, DeployReport, DeploySource, QueueCloseReason, Rollout,
};
use narrowboat_deploy::versions::{PluginVersionStore, PluginVersionStoreError, VersionState};
use narrowboat_runtime::{Build, Sha256Digest};

/// How long an upload may take.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(300);

/// How long one that nobody wants is read before that is said.
const BODY_DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// What changes a plugin of the tenant that is asked about.
fn find_rollout<S>(
    token: &Authorized<S>,
    admin: &AdminState,
    plugin: &str,
) -> Result<Arc<Rollout>, ApiError> {
    let world = token.tenant_runtime(admin)?;
    let known = world.rollouts().map(|(name, _)| name.as_str());
    world.rollout(plugin).cloned().ok_or_else(|| ApiError::unknown_name("plugin", plugin, known))
}

fn version_store(swap: &Rollout) -> Result<&Arc<PluginVersionStore>, ApiError> {
    let unkept = || ApiError::new(ProblemKind::Unavailable, "this host keeps no versions");
    swap.version_store().ok_or_else(unkept)
}

/// The versions of a plugin, the newest first. Scope `read`.
#[utoipa::path(get, path = "/v1/plugins/{plugin}/versions", params(TenantParam, ("plugin" = String, Path, description = "As routes call it")), responses(
    (status = 200, description = "Its versions", body = api::VersionList),
    (status = 401, description = "No token", body = api::Problem),
    (status = 403, description = "Asked from another site", body = api::Problem),
    (status = 404, description = "No such plugin", body = api::Problem),
))]
pub(super) async fn versions(
    token: Authorized<ReadScope>,
    State(admin): State<Arc<AdminState>>,
    Path(plugin): Path<String>,
) -> Result<Json<api::VersionList>, ApiError> {
    let swap = find_rollout(&token, &admin, &plugin)?;
    let versions = version_store(&swap)?.list().into_iter().map(|record| api::VersionInfo {
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
        in_rollback_window: swap.is_in_rollback_window(),
        versions: versions.collect(),
    }))
}

/// How a component is to be deployed.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DeployQuery {
    /// Whether it may become live although the same bytes were rolled back for their faults
    #[serde(default)]
    force: bool,
}

/// Makes a component the live version, once it has been tried and everyone has moved. Scope `deploy`.
#[utoipa::path(post, path = "/v1/plugins/{plugin}/versions", params(TenantParam, DeployQuery,
    ("plugin" = String, Path, description = "As routes call it"),
    ("Narrowboat-Signature" = Option<String>, Header, description = "The component's signature by Ed25519, its 64 bytes as base64; needed where the configuration has `[signatures]`")),
    request_body(content = Vec<u8>, content_type = "application/wasm", description = "The component"), responses(
    (status = 200, description = "It is live", body = api::DeployResponse),
    (status = 400, description = "The upload was broken off, or the header is no signature", body = api::Problem),
    (status = 401, description = "No token", body = api::Problem),
    (status = 403, description = "The token does not allow it", body = api::Problem),
    (status = 404, description = "No such plugin", body = api::Problem),
    (status = 409, description = "It requests more capabilities than the live version and waits for an approval", body = api::Problem),
    (status = 413, description = "It is larger than `admin.max_upload`", body = api::Problem),
    (status = 422, description = "It is not taken; the version before stays", body = api::Problem),
    (status = 503, description = "Too much is going on", body = api::Problem),
))]
pub(super) async fn deploy(
    token: Authorized<DeployScope>,
    State(admin): State<Arc<AdminState>>,
    Path(plugin): Path<String>,
    ValidatedQuery(wanted): ValidatedQuery<DeployQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<api::DeployResponse>, ApiError> {
    // Nothing is uploaded for a plugin that there is not.
    find_rollout(&token, &admin, &plugin)?;
    let _turn = acquire_deploy_permit(&admin, &token)?;
    if is_content_length_over(&headers, admin.max_upload) {
        return Err(reject_after_drain(too_large(admin.max_upload), body).await);
    }
    let signature = match signature_header(&headers) {
        Ok(signature) => signature.ok_or(MissingSignature::NotInUpload),
        Err(refusal) => return Err(reject_after_drain(refusal, body).await),
    };
    let bytes = read_upload(&admin, body).await?;
    let build = tokio::task::spawn_blocking(|| Build::new(bytes, signature)).await;
    let build = build.map_err(|error| ApiError::invalid(error.to_string()))?;
    let origin = DeploySource::Deploy { by: token.token_name.to_string(), force: wanted.force };
    // An upload takes a while, and the configuration may have been read again meanwhile.
    let swap = find_rollout(&token, &admin, &plugin)?;
    submit_deploy(&swap, build, origin).await
}

/// A place among the changes that go on.
fn acquire_deploy_permit<S>(
    admin: &AdminState,
    token: &Authorized<S>,
) -> Result<ConcurrencyPermit, ApiError> {
    admin.deploy_limit.try_acquire(token.token_tenant()).ok_or_else(|| {
        ApiError::new(ProblemKind::Unavailable, "too many versions at a time; try again")
    })
}

/// The signature that a request brings along, if it does. Nobody has checked it.
fn signature_header(headers: &HeaderMap) -> Result<Option<Signature>, ApiError> {
    let Some(given) = headers.get(api::SIGNATURE_HEADER) else { return Ok(None) };
    let signature = given.to_str().ok().and_then(|given| given.parse().ok());
    let wrong = "the header Narrowboat-Signature is no signature: it has the 64 bytes of one by Ed25519 as \
                 base64, as `base64 --wrap=0 FILE.sig` prints them";
    signature.map(Some).ok_or_else(|| ApiError::invalid(wrong))
}

async fn read_upload(admin: &AdminState, body: Body) -> Result<Vec<u8>, ApiError> {
    let most = admin.max_upload;
    let bytes = tokio::time::timeout(UPLOAD_TIMEOUT, to_bytes(body, most)).await;
    let bytes = bytes.map_err(|_| ApiError::invalid("the upload took too long"))?;
    match bytes {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) if is_length_limit_error(&error) => Err(too_large(most)),
        Err(error) => Err(ApiError::invalid(format!("the upload was broken off: {error}"))),
    }
}

fn is_content_length_over(headers: &HeaderMap, most: usize) -> bool {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    length.is_some_and(|length: u64| length > most as u64)
}

/// Reads what nobody wants, for a while, and then says so: whoever is in the middle of sending hears nothing before the
/// end.
async fn reject_after_drain(refusal: ApiError, mut body: Body) -> ApiError {
    let hear_out = async { while let Some(Ok(_)) = body.frame().await {} };
    let _ = tokio::time::timeout(BODY_DRAIN_TIMEOUT, hear_out).await;
    refusal
}

fn too_large(most: usize) -> ApiError {
    let error = format!("the component is larger than admin.max_upload of {most} bytes");
    ApiError::new(ProblemKind::TooLarge, error)
}

fn is_length_limit_error(error: &axum::Error) -> bool {
    let source = std::error::Error::source(error);
    source.is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>)
}

/// Makes an older version live again, with the consumers' state of now. Scope `deploy`.
#[utoipa::path(post, path = "/v1/plugins/{plugin}/rollback", params(TenantParam, ("plugin" = String, Path, description = "As routes call it")),
    request_body = api::RollbackRequest, responses(
    (status = 200, description = "It is live", body = api::DeployResponse),
    (status = 400, description = "Not a version", body = api::Problem),
    (status = 401, description = "No token", body = api::Problem),
    (status = 403, description = "The token does not allow it", body = api::Problem),
    (status = 404, description = "No such plugin or version", body = api::Problem),
    (status = 409, description = "It requests more capabilities than the live version and waits for an approval", body = api::Problem),
    (status = 422, description = "It is not taken; the version before stays", body = api::Problem),
    (status = 503, description = "Too much is going on", body = api::Problem),
))]
pub(super) async fn rollback(
    token: Authorized<DeployScope>,
    State(admin): State<Arc<AdminState>>,
    Path(plugin): Path<String>,
    ValidatedJson(wanted): ValidatedJson<api::RollbackRequest>,
) -> Result<Json<api::DeployResponse>, ApiError> {
    let shelf = Arc::clone(version_store(&*find_rollout(&token, &admin, &plugin)?)?);
    let version = match &wanted.version {
        Some(digits) => find_version(&shelf, digits)?,
        None => match shelf.previous() {
            Some(previous) => previous.version,
            None => return Err(ApiError::not_found("there is no version before the live one")),
        },
    };
    let _turn = acquire_deploy_permit(&admin, &token)?;
    let build = read_kept_version(shelf, version).await?;
    submit_deploy(
        &*find_rollout(&token, &admin, &plugin)?,
        build,
        DeploySource::Rollback { by: token.token_name.to_string() },
    )
    .await
}

/// The bytes of a version.
async fn read_kept_version(
    shelf: Arc<PluginVersionStore>,
    version: Sha256Digest,
) -> Result<Build, ApiError> {
    let build = tokio::task::spawn_blocking(move || shelf.load_build(version)).await;
    let build = build.map_err(|error| ApiError::invalid(error.to_string()))?;
    build.map_err(|error| match error {
        PluginVersionStoreError::Unknown(_) => ApiError::not_found(error.to_string()),
        error => ApiError::new(ProblemKind::Refused, error.to_string()),
    })
}

/// Lets a version that waits have the capabilities that it requests, and makes it the live one once it has been tried. Scope `approve`.
#[utoipa::path(post, path = "/v1/plugins/{plugin}/approve", params(TenantParam, ("plugin" = String, Path, description = "As routes call it")),
    request_body = api::ApproveRequest, responses(
    (status = 200, description = "It is live", body = api::DeployResponse),
    (status = 400, description = "Not a version", body = api::Problem),
    (status = 401, description = "No token", body = api::Problem),
    (status = 403, description = "The token does not allow it", body = api::Problem),
    (status = 404, description = "No such plugin, or none that waits", body = api::Problem),
    (status = 422, description = "It is not taken; the version before stays", body = api::Problem),
    (status = 503, description = "Too much is going on", body = api::Problem),
))]
pub(super) async fn approve(
    token: Authorized<ApproveScope>,
    State(admin): State<Arc<AdminState>>,
    Path(plugin): Path<String>,
    ValidatedJson(wanted): ValidatedJson<api::ApproveRequest>,
) -> Result<Json<api::DeployResponse>, ApiError> {
    let shelf = Arc::clone(version_store(&*find_rollout(&token, &admin, &plugin)?)?);
    let version = find_version(&shelf, &wanted.version)?;
    if !shelf.is_awaiting_approval(version) {
        let error = format!("version {} does not wait for an approval", version.short_hex());
        return Err(ApiError::not_found(error));
    }
    let _turn = acquire_deploy_permit(&admin, &token)?;
    let build = read_kept_version(shelf, version).await?;
    submit_deploy(
        &*find_rollout(&token, &admin, &plugin)?,
        build,
        DeploySource::Approval { by: token.token_name.to_string() },
    )
    .await
}

/// The version that some first digits name.
fn find_version(shelf: &PluginVersionStore, digits: &str) -> Result<Sha256Digest, ApiError> {
    if digits.len() < 4 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        let error = "a version is named by its SHA-256, or four or more of its first digits";
        return Err(ApiError::invalid(error));
    }
    let digits = digits.to_ascii_lowercase();
    let named = shelf.list().into_iter().filter(|record| {
        record.state != VersionState::Refused && record.version.to_string().starts_with(&digits)
    });
    match named.collect::<Vec<_>>().as_slice() {
        [one] => Ok(one.version),
        [] => Err(ApiError::not_found(format!("there is no kept version {digits}"))),
        _ => Err(ApiError::invalid(format!("there are several versions that begin with {digits}"))),
    }
}

/// Waits for what becomes of an offer.
async fn submit_deploy(
    swap: &Rollout,
    build: Build,
    origin: DeploySource,
) -> Result<Json<api::DeployResponse>, ApiError> {
    let verdict = swap.enqueue(Arc::new(build), origin).await;
    // Every offer is answered, also one whose turn never comes.
    let verdict = verdict.unwrap_or(DeployOutcome::Refused(rollout::DeployError::Closed(
        QueueCloseReason::TaskFailed,
    )));
    match verdict {
        DeployOutcome::Live(report) => Ok(Json(deploy_response(swap, &report))),
        DeployOutcome::Unchanged(version) => Ok(Json(unchanged_response(swap, version))),
        DeployOutcome::Pending { version, extra_capabilities: more } => {
            Err(ApiError::new(ProblemKind::Pending, pending_message(swap, version, &more)))
        }
        DeployOutcome::Superseded => {
            Err(ApiError::new(ProblemKind::Superseded, "a newer version was offered meanwhile"))
        }
        DeployOutcome::Refused(why) => {
            let kind = match why {
                rollout::DeployError::QueueFull(_) | rollout::DeployError::Closed(_) => {
                    ProblemKind::Unavailable
                }
                _ => ProblemKind::Refused,
            };
            Err(ApiError::new(kind, why.to_string()))
        }
    }
}

fn pending_message(swap: &Rollout, version: Sha256Digest, more: &Capabilities) -> String {
    let (version, more) = (version.short_hex(), format_missing(&more.descriptions()));
    let plugin = swap.plugin().tenant.arguments(&swap.plugin().name);
    format!(
        "version {version} waits for an approval, since it requests more capabilities than the live one: {more}; `narrowboat approve \
         {plugin} {version}` makes it live"
    )
}

fn unchanged_response(swap: &Rollout, version: Sha256Digest) -> api::DeployResponse {
    api::DeployResponse {
        plugin: swap.plugin().name.to_string(),
        version: version.to_string(),
        previous: None,
        migrated: 0,
        restarted: 0,
        closed: 0,
        remaining: 0,
        prepare_ms: 0,
        migrate_ms: 0,
        in_rollback_window: swap.is_in_rollback_window(),
    }
}

fn deploy_response(swap: &Rollout, report: &DeployReport) -> api::DeployResponse {
    let milliseconds = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    api::DeployResponse {
        previous: Some(report.previous.to_string()),
        migrated: report.stats.moved,
        restarted: report.stats.restarted,
        closed: report.stats.closed,
        remaining: report.stats.kept_old,
        prepare_ms: milliseconds(report.prepare_duration),
        migrate_ms: milliseconds(report.move_duration),
        ..unchanged_response(swap, report.version)
    }
}
