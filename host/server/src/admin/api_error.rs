//! The responses to requests that fail.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};

use super::api::{Problem, ProblemKind};
use narrowboat_config::{TokenScope, closest_match};

/// A problem document, which is the response to a request that fails.
#[derive(Debug)]
pub(super) struct ApiError {
    problem: Problem,
    /// The seconds after which the client may try again.
    retry_after: Option<u64>,
}

impl ApiError {
    pub(super) fn new(kind: ProblemKind, error: impl Into<String>) -> Self {
        Self { problem: Problem { kind, error: error.into() }, retry_after: None }
    }

    pub(super) fn invalid(error: impl Into<String>) -> Self {
        Self::new(ProblemKind::Invalid, error)
    }

    pub(super) fn not_found(error: impl Into<String>) -> Self {
        Self::new(ProblemKind::NotFound, error)
    }

    /// There is nothing of this name. Suggests the most similar of the `known_names`.
    pub(super) fn unknown_name<'a>(
        noun: &str,
        name: &str,
        known_names: impl Iterator<Item = &'a str>,
    ) -> Self {
        let suggestion = closest_match(name, known_names);
        let suggestion = suggestion.map(|name| format!("; did you mean {name:?}?"));
        Self::not_found(format!("there is no {noun} {name:?}{}", suggestion.unwrap_or_default()))
    }

    /// The limit of deploys is reached for this time.
    pub(super) fn too_many_deploys(wait: Duration) -> Self {
        // Rounded up, so that a client that waits is not refused again.
        let seconds = wait.as_secs() + 1;
        let error = format!(
            "the limit deploys_per_minute of the tenant or of the plugin is reached; try again in {seconds} s"
        );
        Self { retry_after: Some(seconds), ..Self::new(ProblemKind::RateLimited, error) }
    }

    pub(super) fn missing_token() -> Self {
        let error = "a token is required, in the header `Authorization: Bearer TOKEN`; the host's own is in the file that \
                     [admin] token_file names";
        Self::new(ProblemKind::Unauthorized, error)
    }

    pub(super) fn unknown_token() -> Self {
        let error = "the host does not know this token; its own is in the file that [admin] token_file names, and the host \
                     generates a new one at start if the file does not exist";
        Self::new(ProblemKind::Unauthorized, error)
    }

    pub(super) fn missing_scope(name: &str, required: TokenScope) -> Self {
        let error = format!("the token {name:?} lacks the scope {:?}", required.name());
        Self::new(ProblemKind::Forbidden, error)
    }

    pub(super) fn wrong_tenant(name: &str) -> Self {
        let error =
            format!("the token {name:?} belongs to a tenant and is only valid for that tenant");
        Self::new(ProblemKind::Forbidden, error)
    }

    pub(super) fn foreign_host(host: &str) -> Self {
        let error = format!(
            "the request names the host {host:?}, which is not this host; if it is, add it to [admin] hosts"
        );
        Self::new(ProblemKind::Forbidden, error)
    }

    pub(super) fn foreign_origin(origin: &str) -> Self {
        let error = format!(
            "the request comes from a page of {origin:?}; only pages of this host may use the admin API"
        );
        Self::new(ProblemKind::Forbidden, error)
    }

    fn status(&self) -> StatusCode {
        match self.problem.kind {
            ProblemKind::Unauthorized => StatusCode::UNAUTHORIZED,
            ProblemKind::Forbidden => StatusCode::FORBIDDEN,
            ProblemKind::NotFound => StatusCode::NOT_FOUND,
            ProblemKind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            ProblemKind::Invalid => StatusCode::BAD_REQUEST,
            ProblemKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ProblemKind::Refused => StatusCode::UNPROCESSABLE_ENTITY,
            ProblemKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            ProblemKind::Pending | ProblemKind::Superseded => StatusCode::CONFLICT,
            ProblemKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        if status == StatusCode::UNAUTHORIZED {
            return (status, [(WWW_AUTHENTICATE, "Bearer")], Json(self.problem)).into_response();
        }
        match self.retry_after {
            Some(seconds) => {
                (status, [(RETRY_AFTER, seconds.to_string())], Json(self.problem)).into_response()
            }
            None => (status, Json(self.problem)).into_response(),
        }
    }
}
