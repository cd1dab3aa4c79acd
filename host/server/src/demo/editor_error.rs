//! Errors of requests to the editor of the demo page.

use hyper::http::StatusCode;
use serde_json::json;

use narrowboat_core::sha256_digest::Sha256Digest;
use narrowboat_deploy::packaging::EditError;
use narrowboat_websocket::handshake::{BodyError, HttpResponse};

/// The error of a request to the editor, and the response to it.
#[derive(Debug)]
pub(super) struct EditorError {
    status: StatusCode,
    message: String,
    /// The SHA-256 of a file that another program has changed.
    current: Option<Sha256Digest>,
}

impl EditorError {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), current: None }
    }

    /// The request does not come from the page of this host.
    pub(super) fn forbidden() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "only the page of this host may edit, opened on this machine since the last start; reload the page",
        )
    }

    /// The request is not valid.
    pub(super) fn invalid(problem: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("the request is not valid: {problem}"))
    }

    /// There is no such plugin, or its source cannot be edited.
    pub(super) fn no_plugin(name: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no source plugin {name:?}"))
    }

    /// The host cannot start a thread.
    pub(super) fn no_thread() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the host cannot start a thread; try again")
    }

    /// The response with this error.
    pub(super) fn into_response(self) -> HttpResponse {
        let body = json!({ "error": self.message, "digest": self.current }).to_string();
        HttpResponse { status: self.status, ..HttpResponse::new("application/json", body) }
    }
}

impl From<BodyError> for EditorError {
    fn from(error: BodyError) -> Self {
        let status = match error {
            BodyError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::Incomplete => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.to_string())
    }
}

impl From<EditError> for EditorError {
    fn from(error: EditError) -> Self {
        let (status, current) = match &error {
            EditError::NotFound(_) => (StatusCode::NOT_FOUND, None),
            EditError::NotAFile(_) | EditError::NotText(_) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, None)
            }
            EditError::ReadOnly(_) => (StatusCode::FORBIDDEN, None),
            EditError::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, None),
            EditError::Changed { current, .. } => (StatusCode::CONFLICT, Some(*current)),
            EditError::System { .. } => (StatusCode::INTERNAL_SERVER_ERROR, None),
        };
        Self { current, ..Self::new(status, error.to_string()) }
    }
}
