//! The upload of a component or a source bundle.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;
use tokio::time::timeout;

use super::api::{ProblemKind, SIGNATURE_HEADER};
use super::api_error::ApiError;
use narrowboat_config::signature::{MissingSignature, Signature};
use narrowboat_runtime::Build;

/// How long an upload may take.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(300);

/// How long the body of a rejected upload is read before the response is sent.
const BODY_DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads the bytes and the signature of an upload of at most `max_upload` bytes. The signature is not verified here.
///
/// # Errors
/// 413 if the bytes are too many; 400 if the upload fails or the header is not a signature.
pub(super) async fn read_upload(
    headers: &HeaderMap,
    body: Body,
    max_upload: usize,
) -> Result<Build, ApiError> {
    if is_content_length_over(headers, max_upload) {
        return Err(reject_after_drain(too_large(max_upload), body).await);
    }
    let signature = match signature_header(headers) {
        Ok(signature) => signature.ok_or(MissingSignature::NotInUpload),
        Err(error) => return Err(reject_after_drain(error, body).await),
    };
    let bytes = read_body(body, max_upload).await?;
    let build = tokio::task::spawn_blocking(|| Build::new(bytes, signature)).await;
    build.map_err(|error| ApiError::invalid(error.to_string()))
}

/// The signature in the header of a request, if it has one.
fn signature_header(headers: &HeaderMap) -> Result<Option<Signature>, ApiError> {
    let Some(value) = headers.get(SIGNATURE_HEADER) else { return Ok(None) };
    let signature = value.to_str().ok().and_then(|value| value.parse().ok());
    let error = "the header Narrowboat-Signature is not a signature: expected the 64 bytes of an Ed25519 signature \
                 as base64, as `base64 --wrap=0 FILE.sig` prints them";
    signature.map(Some).ok_or_else(|| ApiError::invalid(error))
}

async fn read_body(body: Body, max_upload: usize) -> Result<Vec<u8>, ApiError> {
    match timeout(UPLOAD_TIMEOUT, to_bytes(body, max_upload)).await {
        Ok(Ok(bytes)) => Ok(bytes.into()),
        Ok(Err(error)) if is_length_limit_error(&error) => Err(too_large(max_upload)),
        Ok(Err(error)) => Err(ApiError::invalid(format!("the upload was interrupted: {error}"))),
        Err(_) => Err(ApiError::invalid(format!(
            "the upload took longer than {} s",
            UPLOAD_TIMEOUT.as_secs()
        ))),
    }
}

fn is_content_length_over(headers: &HeaderMap, limit: usize) -> bool {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    length.is_some_and(|length: u64| length > limit as u64)
}

/// Reads the rest of a rejected upload for a while, because clients read the response only after they have sent the body.
async fn reject_after_drain(error: ApiError, mut body: Body) -> ApiError {
    let drain_body = async { while let Some(Ok(_)) = body.frame().await {} };
    let _ = timeout(BODY_DRAIN_TIMEOUT, drain_body).await;
    error
}

fn too_large(max_upload: usize) -> ApiError {
    let error = format!("the upload is larger than admin.max_upload of {max_upload} bytes");
    ApiError::new(ProblemKind::TooLarge, error)
}

fn is_length_limit_error(error: &axum::Error) -> bool {
    let source = std::error::Error::source(error);
    source.is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>)
}
