//! What is answered to what cannot be done.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use utoipa::IntoParams;

use crate::api::{Problem, ProblemKind};
use narrowboat_config::{TokenScope, closest_match};

/// A problem on its way out.
#[derive(Debug)]
pub(super) struct ApiError(Problem);

impl ApiError {
    pub(super) fn new(kind: ProblemKind, error: impl Into<String>) -> Self {
        Self(Problem { kind, error: error.into() })
    }

    pub(super) fn invalid(error: impl Into<String>) -> Self {
        Self::new(ProblemKind::Invalid, error)
    }

    pub(super) fn not_found(error: impl Into<String>) -> Self {
        Self::new(ProblemKind::NotFound, error)
    }

    /// There is nothing of this name, but maybe of one that is near.
    pub(super) fn unknown_name<'a>(
        what: &str,
        name: &str,
        known: impl Iterator<Item = &'a str>,
    ) -> Self {
        let meant = closest_match(name, known).map(|meant| format!("; did you mean {meant:?}?"));
        Self::not_found(format!("there is no {what} {name:?}{}", meant.unwrap_or_default()))
    }

    pub(super) fn missing_token() -> Self {
        let error = "this needs a token, as `Authorization: Bearer TOKEN`; the host's own is in the \
                     file that [admin] token_file names";
        Self::new(ProblemKind::Unauthorized, error)
    }

    pub(super) fn unknown_token() -> Self {
        let error = "the host does not know this token; its own is in the file that [admin] token_file names, and it \
                     writes a new one there if the file is gone when it starts";
        Self::new(ProblemKind::Unauthorized, error)
    }

    pub(super) fn missing_scope(name: &str, wanted: TokenScope) -> Self {
        let error = format!("the token {name:?} has not the scope {:?}", wanted.name());
        Self::new(ProblemKind::Forbidden, error)
    }

    pub(super) fn wrong_tenant(name: &str) -> Self {
        let error =
            format!("the token {name:?} is a tenant's, and for what is that tenant's alone");
        Self::new(ProblemKind::Forbidden, error)
    }

    pub(super) fn foreign_host(host: &str) -> Self {
        let error = format!("asked as {host:?}, which is not this host; [admin] hosts may name it");
        Self::new(ProblemKind::Forbidden, error)
    }

    pub(super) fn foreign_origin(origin: &str) -> Self {
        let error = format!("a page of {origin:?} asked, and only this host's own may");
        Self::new(ProblemKind::Forbidden, error)
    }

    fn status(&self) -> StatusCode {
        match self.0.kind {
            ProblemKind::Unauthorized => StatusCode::UNAUTHORIZED,
            ProblemKind::Forbidden => StatusCode::FORBIDDEN,
            ProblemKind::NotFound => StatusCode::NOT_FOUND,
            ProblemKind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            ProblemKind::Invalid => StatusCode::BAD_REQUEST,
            ProblemKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ProblemKind::Refused => StatusCode::UNPROCESSABLE_ENTITY,
            ProblemKind::Pending | ProblemKind::Superseded => StatusCode::CONFLICT,
            ProblemKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        if status == StatusCode::UNAUTHORIZED {
            return (status, [(WWW_AUTHENTICATE, "Bearer")], Json(self.0)).into_response();
        }
        (status, Json(self.0)).into_response()
    }
}

/// What stands behind the question mark.
pub(super) struct ValidatedQuery<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for ValidatedQuery<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let asked = Query::try_from_uri(&parts.uri);
        asked.map(|Query(asked)| Self(asked)).map_err(|error| ApiError::invalid(error.body_text()))
    }
}

/// Whose the thing is that is asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is read with the token, and documented here")]
pub(super) struct TenantParam {
    /// The tenant; `default` if left out, or the token's own
    tenant: Option<String>,
}

/// How long it may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// JSON that was sent; nothing is as good as `{}`.
pub(super) struct ValidatedJson<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for ValidatedJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let bytes = timeout(BODY_TIMEOUT, Bytes::from_request(request, state)).await;
        let bytes = bytes.map_err(|_| ApiError::invalid("the body took too long"))?;
        let bytes = bytes.map_err(|error| ApiError::invalid(error.body_text()))?;
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(text).map(Self).map_err(|error| {
            ApiError::invalid(format!("the body is not what it should be: {error}"))
        })
    }
}
