//! `GET /v1/keyvalue/backup` and `POST /v1/keyvalue/compact`: the store of all tenants in a file.

#![allow(unused_qualifications, reason = "in the code that utoipa generates")]

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use super::admin_state::AdminState;
use super::api::{self, ProblemKind};
use super::api_error::ApiError;
use super::authorized::{AdminScope, Authorized};
use narrowboat_keyvalue::FileStore;

/// The bytes of a backup that are read at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// Returns a consistent copy of the key-value store of all tenants, while the host runs. Requires the scope `admin`; a
/// tenant's token is refused. The store has to be in a file.
#[utoipa::path(get, path = "/v1/keyvalue/backup", responses(
    (status = 200, description = "The file for `narrowboat kv restore`", body = Vec<u8>, content_type = "application/octet-stream"),
    (status = 400, description = "The store is not in a file", body = api::Problem),
    (status = 401, description = "The token is missing or unknown", body = api::Problem),
    (status = 403, description = "The token lacks the scope or belongs to another tenant, or `Host` or `Origin` is wrong", body = api::Problem),
    (status = 503, description = "The disk is full or fails", body = api::Problem),
))]
pub(super) async fn back_up(
    token: Authorized<AdminScope>,
    State(admin): State<Arc<AdminState>>,
) -> Result<Response, ApiError> {
    token.require_operator()?;
    let copy = file_store(&admin)?.back_up().await?;
    let unreadable = |error: io::Error| ApiError::new(ProblemKind::Unavailable, error.to_string());
    let file = copy.reopen().map_err(unreadable)?;
    let len = file.metadata().map_err(unreadable)?.len();
    tracing::info!(token = &*token.token_name, bytes = len, "keyvalue: backup made");
    // The name is removed when this returns, and the file when its last handle is closed.
    drop(copy);
    let headers =
        [(CONTENT_TYPE, "application/octet-stream".to_owned()), (CONTENT_LENGTH, len.to_string())];
    let body = Body::from_stream(stream::unfold(Some(file), |file| async {
        let (chunk, file) = next_chunk(file?).await;
        Some((chunk, file))
    }));
    Ok((headers, body).into_response())
}

/// Reads the next bytes of a file. Returns no file after the last bytes, or after an error.
async fn next_chunk(mut file: File) -> (io::Result<Bytes>, Option<File>) {
    let read = tokio::task::spawn_blocking(move || {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        let result = file.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut chunk);
        (result, chunk, file)
    });
    match read.await {
        Ok((Ok(CHUNK_BYTES), chunk, file)) => (Ok(chunk.into()), Some(file)),
        Ok((Ok(_), chunk, _)) => (Ok(chunk.into()), None),
        Ok((Err(error), ..)) => (Err(error), None),
        Err(error) => (Err(io::Error::other(error)), None),
    }
}

/// Removes unused pages from the file of the key-value store. Reads go on meanwhile, and writes wait. Requires the scope
/// `admin`; a tenant's token is refused.
#[utoipa::path(post, path = "/v1/keyvalue/compact", responses(
    (status = 200, description = "The file is compact", body = api::KeyvalueCompactResponse),
    (status = 400, description = "The store is not in a file", body = api::Problem),
    (status = 401, description = "The token is missing or unknown", body = api::Problem),
    (status = 403, description = "The token lacks the scope or belongs to another tenant, or `Host` or `Origin` is wrong", body = api::Problem),
    (status = 503, description = "The store takes no writes, or the disk is full or fails", body = api::Problem),
))]
pub(super) async fn compact(
    token: Authorized<AdminScope>,
    State(admin): State<Arc<AdminState>>,
) -> Result<Json<api::KeyvalueCompactResponse>, ApiError> {
    token.require_operator()?;
    let (bytes_before, bytes_after) = file_store(&admin)?.compact().await?;
    let token = &*token.token_name;
    tracing::info!(token, bytes_before, bytes_after, "keyvalue: file compacted");
    Ok(Json(api::KeyvalueCompactResponse { bytes_before, bytes_after }))
}

fn file_store(admin: &AdminState) -> Result<&FileStore, ApiError> {
    admin.server.host.keyvalue().file().ok_or_else(|| {
        ApiError::invalid(
            "the key-value store is not in a file; [keyvalue] backend is not \"file\"",
        )
    })
}
