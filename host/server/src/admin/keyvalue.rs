//! `/v1/keyvalue/entry` and `/v1/keyvalue/keys`: what plugins have stored.

#![allow(unused_qualifications, reason = "in the code that utoipa generates")]

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::time::timeout;
use utoipa::IntoParams;

use super::admin_state::AdminState;
use super::api::{self, ProblemKind, TTL_HEADER};
use super::api_error::ApiError;
use super::authorized::{AdminScope, Authorized};
use super::extract::ValidatedQuery;
use narrowboat_core::name::Tenant;
use narrowboat_keyvalue::{Bucket, KeyTtl, KeyvalueError, MAX_BATCH_BYTES};
use narrowboat_quota::QuotaChain;

/// How long the store may take for an operation.
const STORE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the body of a request may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

/// The number of keys that a response lists if the request does not say it.
const DEFAULT_LISTED_KEYS: usize = 100;

/// The entry that a request is about.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct EntryQuery {
    /// The tenant. Default: the tenant of the token; with an operator's token the tenant `default`
    #[serde(rename = "tenant")]
    _tenant: Option<String>,
    /// The bucket
    bucket: String,
    /// The key
    key: String,
    /// For `PUT`: the time after which the key expires, such as `10m`. Default: it does not expire
    ttl: Option<String>,
}

/// The keys to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct KeysQuery {
    /// The tenant. Default: the tenant of the token; with an operator's token the tenant `default`
    #[serde(rename = "tenant")]
    _tenant: Option<String>,
    /// The bucket
    bucket: String,
    /// Lists only keys that begin with this text
    #[serde(default)]
    prefix: String,
    /// The cursor of the page before
    cursor: Option<String>,
    /// The number of keys, at most 1,000. Default: 100
    limit: Option<usize>,
}

/// Returns the value of a key. Requires the scope `admin`.
#[utoipa::path(get, path = "/v1/keyvalue/entry", params(EntryQuery), responses(
    (status = 200, description = "The value; the header `narrowboat-ttl-ms` has the milliseconds until the key expires", body = Vec<u8>, content_type = "application/octet-stream"),
    (status = 400, description = "The bucket, the key or a query parameter is not valid", body = api::Problem),
    (status = 401, description = "The token is missing or unknown", body = api::Problem),
    (status = 403, description = "The token lacks the scope or belongs to another tenant, or `Host` or `Origin` is wrong", body = api::Problem),
    (status = 404, description = "There is no such key or tenant", body = api::Problem),
    (status = 503, description = "The store does not respond", body = api::Problem),
))]
pub(super) async fn get(
    token: Authorized<AdminScope>,
    State(admin): State<Arc<AdminState>>,
    ValidatedQuery(query): ValidatedQuery<EntryQuery>,
) -> Result<Response, ApiError> {
    let (store, bucket) = (admin.server.host.keyvalue(), bucket(token.tenant, query.bucket)?);
    let value = in_time(store.get(&bucket, &query.key)).await?;
    let ttl = in_time(store.ttl(&bucket, &query.key)).await?;
    let Some(value) = value.filter(|_| ttl != KeyTtl::Missing) else {
        return Err(ApiError::not_found(format!("the bucket has no key {:?}", query.key)));
    };
    let mut response = ([(CONTENT_TYPE, "application/octet-stream")], value).into_response();
    if let Some(ttl) = ttl_millis(ttl) {
        response.headers_mut().insert(TTL_HEADER, ttl.into());
    }
    Ok(response)
}

/// Sets the value of a key to the bytes of the body. Requires the scope `admin`.
#[utoipa::path(put, path = "/v1/keyvalue/entry", params(EntryQuery), request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses(
    (status = 204, description = "The value is set"),
    (status = 400, description = "The bucket, the key, the value or a query parameter is not valid", body = api::Problem),
    (status = 401, description = "The token is missing or unknown", body = api::Problem),
    (status = 403, description = "The token lacks the scope or belongs to another tenant, or `Host` or `Origin` is wrong", body = api::Problem),
    (status = 404, description = "There is no such tenant", body = api::Problem),
    (status = 422, description = "The tenant would exceed its quota", body = api::Problem),
    (status = 503, description = "The store does not respond, or takes no writes", body = api::Problem),
))]
pub(super) async fn set(
    token: Authorized<AdminScope>,
    State(admin): State<Arc<AdminState>>,
    ValidatedQuery(query): ValidatedQuery<EntryQuery>,
    body: Body,
) -> Result<StatusCode, ApiError> {
    let runtime = token.tenant_runtime(&admin)?;
    let bucket = bucket(token.tenant, query.bucket)?;
    let ttl = query.ttl.as_deref().map(humantime::parse_duration).transpose();
    let ttl =
        ttl.map_err(|error| ApiError::invalid(format!("ttl: {error}; write \"30s\" or \"12h\"")))?;
    let body = timeout(BODY_TIMEOUT, to_bytes(body, MAX_BATCH_BYTES)).await;
    let value = match body {
        Ok(Ok(value)) => value.to_vec(),
        Ok(Err(error)) => return Err(ApiError::invalid(format!("the body: {error}"))),
        Err(_) => return Err(ApiError::invalid("the body did not arrive in time")),
    };
    // The quota of the tenant holds for operators too. The host has none of its own.
    let chain = QuotaChain::new("operator", Arc::clone(&runtime.resources.quota), Arc::default());
    let (store, key) = (admin.server.host.keyvalue(), &query.key);
    match ttl {
        Some(ttl) => in_time(store.set_with_ttl(&bucket, key, value, ttl, &chain)).await?,
        None => in_time(store.set(&bucket, key, value, &chain)).await?,
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes a key, if the bucket has it. Requires the scope `admin`.
#[utoipa::path(delete, path = "/v1/keyvalue/entry", params(EntryQuery), responses(
    (status = 204, description = "The bucket does not have the key"),
    (status = 400, description = "The bucket, the key or a query parameter is not valid", body = api::Problem),
    (status = 401, description = "The token is missing or unknown", body = api::Problem),
    (status = 403, description = "The token lacks the scope or belongs to another tenant, or `Host` or `Origin` is wrong", body = api::Problem),
    (status = 404, description = "There is no such tenant", body = api::Problem),
    (status = 503, description = "The store does not respond, or takes no writes", body = api::Problem),
))]
pub(super) async fn delete(
    token: Authorized<AdminScope>,
    State(admin): State<Arc<AdminState>>,
    ValidatedQuery(query): ValidatedQuery<EntryQuery>,
) -> Result<StatusCode, ApiError> {
    let bucket = bucket(token.tenant, query.bucket)?;
    in_time(admin.server.host.keyvalue().delete(&bucket, &query.key)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists keys of a bucket: in ascending order with a store in memory or in a file, and in no order with Redis. Requires the
/// scope `admin`.
#[utoipa::path(get, path = "/v1/keyvalue/keys", params(KeysQuery), responses(
    (status = 200, description = "A page of keys", body = api::KeyvalueKeyList),
    (status = 400, description = "The bucket, the prefix, the cursor or a query parameter is not valid", body = api::Problem),
    (status = 401, description = "The token is missing or unknown", body = api::Problem),
    (status = 403, description = "The token lacks the scope or belongs to another tenant, or `Host` or `Origin` is wrong", body = api::Problem),
    (status = 404, description = "There is no such tenant", body = api::Problem),
    (status = 503, description = "The store does not respond", body = api::Problem),
))]
pub(super) async fn list(
    token: Authorized<AdminScope>,
    State(admin): State<Arc<AdminState>>,
    ValidatedQuery(query): ValidatedQuery<KeysQuery>,
) -> Result<Json<api::KeyvalueKeyList>, ApiError> {
    let (store, bucket) = (admin.server.host.keyvalue(), bucket(token.tenant, query.bucket)?);
    let limit = query.limit.unwrap_or(DEFAULT_LISTED_KEYS);
    let listed = async {
        let page = store.list(&bucket, &query.prefix, query.cursor.as_deref(), limit).await?;
        let mut keys = Vec::with_capacity(page.keys.len());
        for key in page.keys {
            match store.ttl(&bucket, &key).await? {
                KeyTtl::Missing => {}
                ttl => keys.push(api::KeyvalueKeyInfo { key, ttl_ms: ttl_millis(ttl) }),
            }
        }
        Ok(api::KeyvalueKeyList { keys, cursor: page.cursor })
    };
    in_time(listed).await.map(Json)
}

/// Returns a bucket of the tenant that a request is about.
fn bucket(tenant: Option<Tenant>, name: String) -> Result<Bucket, ApiError> {
    Ok(Bucket::new(&tenant.unwrap_or_default(), name)?)
}

fn ttl_millis(ttl: KeyTtl) -> Option<u64> {
    match ttl {
        KeyTtl::Remaining(ttl) => u64::try_from(ttl.as_millis()).ok(),
        KeyTtl::Missing | KeyTtl::Never => None,
    }
}

async fn in_time<T>(
    operation: impl Future<Output = Result<T, KeyvalueError>>,
) -> Result<T, ApiError> {
    match timeout(STORE_TIMEOUT, operation).await {
        Ok(result) => Ok(result?),
        Err(_) => {
            let error =
                "the key-value store does not respond; the operation may still be carried out";
            Err(ApiError::new(ProblemKind::Unavailable, error))
        }
    }
}

impl From<KeyvalueError> for ApiError {
    fn from(error: KeyvalueError) -> Self {
        let kind = match error {
            KeyvalueError::Unavailable(_)
            | KeyvalueError::DiskFull(_)
            | KeyvalueError::ReadOnly(_) => ProblemKind::Unavailable,
            KeyvalueError::QuotaExceeded { .. } => ProblemKind::Refused,
            _ => ProblemKind::Invalid,
        };
        Self::new(kind, error.to_string())
    }
}
