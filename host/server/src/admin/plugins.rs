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

use super::Admin;
use super::auth::{May, ToApprove, ToDeploy, ToRead};
use super::problem::{Asked, Given, OfTenant, Refusal};
use super::turns::Turn;
use crate::api::{self, ProblemKind};
use narrowboat_config::signature::{Signature, Unsigned};
use narrowboat_core::capabilities::{Capabilities, on_top};
use narrowboat_deploy::swap::{self, Closing, Origin, Report, Swap, Verdict};
use narrowboat_deploy::versions::{Shelf, ShelfError, State as VersionState};
use narrowboat_runtime::{Build, Hash};

/// How long an upload may take.
const UPLOAD: Duration = Duration::from_secs(300);

/// How long one that nobody wants is read before that is said.
const HEARING_OUT: Duration = Duration::from_secs(10);

/// What changes a plugin of the tenant that is asked about.
fn find_swap<S>(token: &May<S>, admin: &Admin, plugin: &str) -> Result<Arc<Swap>, Refusal> {
    let world = token.world(admin)?;
    let known = world.swaps().map(|(name, _)| name.as_str());
    world.swap(plugin).cloned().ok_or_else(|| Refusal::unknown("plugin", plugin, known))
}

fn shelf(swap: &Swap) -> Result<&Arc<Shelf>, Refusal> {
    let unkept = || Refusal::new(ProblemKind::Unavailable, "this host keeps no versions");
    swap.shelf().ok_or_else(unkept)
}

/// The versions of a plugin, the newest first. Scope `read`.
#[utoipa::path(get, path = "/v1/plugins/{plugin}/versions", params(OfTenant, ("plugin" = String, Path, description = "As routes call it")), responses(
    (status = 200, description = "Its versions", body = api::Versions),
    (status = 401, description = "No token", body = api::Problem),
    (status = 403, description = "Asked from another site", body = api::Problem),
    (status = 404, description = "No such plugin", body = api::Problem),
))]
pub(super) async fn versions(
    token: May<ToRead>,
    State(admin): State<Arc<Admin>>,
    Path(plugin): Path<String>,
) -> Result<Json<api::Versions>, Refusal> {
    let swap = find_swap(&token, &admin, &plugin)?;
    let versions = shelf(&swap)?.list().into_iter().map(|record| api::Version {
        version: record.version.to_string(),
        size: record.size,
        by: record.by,
        at: record.at,
        state: record.state.name().to_owned(),
        reason: match record.state.is_unapproved() {
            true => Some(format!("asks for more: {}", on_top(&record.asks_more))),
            false => record.reason,
        },
        asks_more: record.asks_more,
        approved_by: record.approved_by,
    });
    Ok(Json(api::Versions { plugin, on_trial: swap.is_on_trial(), versions: versions.collect() }))
}

/// How a component is to be deployed.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Whether it may become live although the same bytes were taken back for their faults
    #[serde(default)]
    force: bool,
}

/// Makes a component the live version, once it has been tried and everyone has moved. Scope `deploy`.
#[utoipa::path(post, path = "/v1/plugins/{plugin}/versions", params(OfTenant, Wanted,
    ("plugin" = String, Path, description = "As routes call it"),
    ("Narrowboat-Signature" = Option<String>, Header, description = "The component's signature by Ed25519, its 64 bytes as base64; needed where the configuration has `[signatures]`")),
    request_body(content = Vec<u8>, content_type = "application/wasm", description = "The component"), responses(
    (status = 200, description = "It is live", body = api::Deployed),
    (status = 400, description = "The upload was broken off, or the header is no signature", body = api::Problem),
    (status = 401, description = "No token", body = api::Problem),
    (status = 403, description = "The token does not allow it", body = api::Problem),
    (status = 404, description = "No such plugin", body = api::Problem),
    (status = 409, description = "It asks for more than the live version and waits for an approval", body = api::Problem),
    (status = 413, description = "It is larger than `admin.max_upload`", body = api::Problem),
    (status = 422, description = "It is not taken; the version before stays", body = api::Problem),
    (status = 503, description = "Too much is going on", body = api::Problem),
))]
pub(super) async fn deploy(
    token: May<ToDeploy>,
    State(admin): State<Arc<Admin>>,
    Path(plugin): Path<String>,
    Asked(wanted): Asked<Wanted>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<api::Deployed>, Refusal> {
    // Nothing is uploaded for a plugin that there is not.
    find_swap(&token, &admin, &plugin)?;
    let _turn = turn(&admin, &token)?;
    if is_declared_longer(&headers, admin.max_upload) {
        return Err(turned_down(too_large(admin.max_upload), body).await);
    }
    let signature = match given_signature(&headers) {
        Ok(signature) => signature.ok_or(Unsigned::Uploaded),
        Err(refusal) => return Err(turned_down(refusal, body).await),
    };
    let bytes = upload(&admin, body).await?;
    let build = tokio::task::spawn_blocking(|| Build::new(bytes, signature)).await;
    let build = build.map_err(|error| Refusal::invalid(error.to_string()))?;
    let origin = Origin::Deploy { by: token.name.to_string(), force: wanted.force };
    // An upload takes a while, and the configuration may have been read again meanwhile.
    let swap = find_swap(&token, &admin, &plugin)?;
    offer(&swap, build, origin).await
}

/// A place among the changes that go on.
fn turn<S>(admin: &Admin, token: &May<S>) -> Result<Turn, Refusal> {
    admin.changes.take(token.owner()).ok_or_else(|| {
        Refusal::new(ProblemKind::Unavailable, "too many versions at a time; try again")
    })
}

/// The signature that a request brings along, if it does. Nobody has checked it.
fn given_signature(headers: &HeaderMap) -> Result<Option<Signature>, Refusal> {
    let Some(given) = headers.get(api::SIGNATURE) else { return Ok(None) };
    let signature = given.to_str().ok().and_then(|given| given.parse().ok());
    let wrong = "the header Narrowboat-Signature is no signature: it has the 64 bytes of one by Ed25519 as \
                 base64, as `base64 --wrap=0 FILE.sig` prints them";
    signature.map(Some).ok_or_else(|| Refusal::invalid(wrong))
}

async fn upload(admin: &Admin, body: Body) -> Result<Vec<u8>, Refusal> {
    let most = admin.max_upload;
    let bytes = tokio::time::timeout(UPLOAD, to_bytes(body, most)).await;
    let bytes = bytes.map_err(|_| Refusal::invalid("the upload took too long"))?;
    match bytes {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) if is_too_long(&error) => Err(too_large(most)),
        Err(error) => Err(Refusal::invalid(format!("the upload was broken off: {error}"))),
    }
}

fn is_declared_longer(headers: &HeaderMap, most: usize) -> bool {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    length.is_some_and(|length: u64| length > most as u64)
}

/// Reads what nobody wants, for a while, and then says so: whoever is in the middle of sending hears nothing before the
/// end.
async fn turned_down(refusal: Refusal, mut body: Body) -> Refusal {
    let hear_out = async { while let Some(Ok(_)) = body.frame().await {} };
    let _ = tokio::time::timeout(HEARING_OUT, hear_out).await;
    refusal
}

fn too_large(most: usize) -> Refusal {
    let error = format!("the component is larger than admin.max_upload of {most} bytes");
    Refusal::new(ProblemKind::TooLarge, error)
}

fn is_too_long(error: &axum::Error) -> bool {
    let source = std::error::Error::source(error);
    source.is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>)
}

/// Makes an older version live again, with the consumers' state of now. Scope `deploy`.
#[utoipa::path(post, path = "/v1/plugins/{plugin}/rollback", params(OfTenant, ("plugin" = String, Path, description = "As routes call it")),
    request_body = api::Rollback, responses(
    (status = 200, description = "It is live", body = api::Deployed),
    (status = 400, description = "Not a version", body = api::Problem),
    (status = 401, description = "No token", body = api::Problem),
    (status = 403, description = "The token does not allow it", body = api::Problem),
    (status = 404, description = "No such plugin or version", body = api::Problem),
    (status = 409, description = "It asks for more than the live version and waits for an approval", body = api::Problem),
    (status = 422, description = "It is not taken; the version before stays", body = api::Problem),
    (status = 503, description = "Too much is going on", body = api::Problem),
))]
pub(super) async fn rollback(
    token: May<ToDeploy>,
    State(admin): State<Arc<Admin>>,
    Path(plugin): Path<String>,
    Given(wanted): Given<api::Rollback>,
) -> Result<Json<api::Deployed>, Refusal> {
    let shelf = Arc::clone(shelf(&*find_swap(&token, &admin, &plugin)?)?);
    let version = match &wanted.version {
        Some(digits) => find(&shelf, digits)?,
        None => match shelf.previous() {
            Some(previous) => previous.version,
            None => return Err(Refusal::not_found("there is no version before the live one")),
        },
    };
    let _turn = turn(&admin, &token)?;
    let build = kept(shelf, version).await?;
    offer(
        &*find_swap(&token, &admin, &plugin)?,
        build,
        Origin::Rollback { by: token.name.to_string() },
    )
    .await
}

/// The bytes of a version.
async fn kept(shelf: Arc<Shelf>, version: Hash) -> Result<Build, Refusal> {
    let build = tokio::task::spawn_blocking(move || shelf.build(version)).await;
    let build = build.map_err(|error| Refusal::invalid(error.to_string()))?;
    build.map_err(|error| match error {
        ShelfError::Unknown(_) => Refusal::not_found(error.to_string()),
        error => Refusal::new(ProblemKind::Refused, error.to_string()),
    })
}

/// Lets a version that waits have what it asks for, and makes it the live one once it has been tried. Scope `approve`.
#[utoipa::path(post, path = "/v1/plugins/{plugin}/approve", params(OfTenant, ("plugin" = String, Path, description = "As routes call it")),
    request_body = api::Approve, responses(
    (status = 200, description = "It is live", body = api::Deployed),
    (status = 400, description = "Not a version", body = api::Problem),
    (status = 401, description = "No token", body = api::Problem),
    (status = 403, description = "The token does not allow it", body = api::Problem),
    (status = 404, description = "No such plugin, or none that waits", body = api::Problem),
    (status = 422, description = "It is not taken; the version before stays", body = api::Problem),
    (status = 503, description = "Too much is going on", body = api::Problem),
))]
pub(super) async fn approve(
    token: May<ToApprove>,
    State(admin): State<Arc<Admin>>,
    Path(plugin): Path<String>,
    Given(wanted): Given<api::Approve>,
) -> Result<Json<api::Deployed>, Refusal> {
    let shelf = Arc::clone(shelf(&*find_swap(&token, &admin, &plugin)?)?);
    let version = find(&shelf, &wanted.version)?;
    if !shelf.is_unapproved(version) {
        let error = format!("version {} does not wait for an approval", version.short());
        return Err(Refusal::not_found(error));
    }
    let _turn = turn(&admin, &token)?;
    let build = kept(shelf, version).await?;
    offer(
        &*find_swap(&token, &admin, &plugin)?,
        build,
        Origin::Approval { by: token.name.to_string() },
    )
    .await
}

/// The version that some first digits name.
fn find(shelf: &Shelf, digits: &str) -> Result<Hash, Refusal> {
    if digits.len() < 4 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        let error = "a version is named by its SHA-256, or four or more of its first digits";
        return Err(Refusal::invalid(error));
    }
    let digits = digits.to_ascii_lowercase();
    let named = shelf.list().into_iter().filter(|record| {
        record.state != VersionState::Refused && record.version.to_string().starts_with(&digits)
    });
    match named.collect::<Vec<_>>().as_slice() {
        [one] => Ok(one.version),
        [] => Err(Refusal::not_found(format!("there is no kept version {digits}"))),
        _ => Err(Refusal::invalid(format!("there are several versions that begin with {digits}"))),
    }
}

/// Waits for what becomes of an offer.
async fn offer(swap: &Swap, build: Build, origin: Origin) -> Result<Json<api::Deployed>, Refusal> {
    let verdict = swap.offer(Arc::new(build), origin).await;
    // Every offer is answered, also one whose turn never comes.
    let verdict = verdict.unwrap_or(Verdict::Refused(swap::Refusal::Closed(Closing::Failed)));
    match verdict {
        Verdict::Live(report) => Ok(Json(deployed(swap, &report))),
        Verdict::Unchanged(version) => Ok(Json(unchanged(swap, version))),
        Verdict::Pending { version, more } => {
            Err(Refusal::new(ProblemKind::Pending, pending(swap, version, &more)))
        }
        Verdict::Superseded => {
            Err(Refusal::new(ProblemKind::Superseded, "a newer version was offered meanwhile"))
        }
        Verdict::Refused(why) => {
            let kind = match why {
                swap::Refusal::Busy(_) | swap::Refusal::Closed(_) => ProblemKind::Unavailable,
                _ => ProblemKind::Refused,
            };
            Err(Refusal::new(kind, why.to_string()))
        }
    }
}

fn pending(swap: &Swap, version: Hash, more: &Capabilities) -> String {
    let (version, more) = (version.short(), on_top(&more.words()));
    let plugin = swap.plugin().tenant.arguments(&swap.plugin().name);
    format!(
        "version {version} waits for an approval, since it asks for more than the live one: {more}; `narrowboat approve \
         {plugin} {version}` makes it live"
    )
}

fn unchanged(swap: &Swap, version: Hash) -> api::Deployed {
    api::Deployed {
        plugin: swap.plugin().name.to_string(),
        version: version.to_string(),
        previous: None,
        moved: 0,
        restarted: 0,
        closed: 0,
        stayed: 0,
        prepared_ms: 0,
        moved_ms: 0,
        on_trial: swap.is_on_trial(),
    }
}

fn deployed(swap: &Swap, report: &Report) -> api::Deployed {
    let milliseconds = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    api::Deployed {
        previous: Some(report.previous.to_string()),
        moved: report.outcome.moved,
        restarted: report.outcome.restarted,
        closed: report.outcome.closed,
        stayed: report.outcome.stayed,
        prepared_ms: milliseconds(report.prepared),
        moved_ms: milliseconds(report.moved),
        ..unchanged(swap, report.version)
    }
}
