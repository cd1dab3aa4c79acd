//! The last lines of the log, and those that come.

#![allow(unused_qualifications, reason = "in what utoipa makes")]

use std::collections::VecDeque;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use utoipa::IntoParams;

use super::AdminState;
use super::api_error::{ApiError, ValidatedQuery};
use super::auth::{Authorized, ReadScope};
use super::concurrency::ConcurrencyPermit;
use crate::api::{self, LogLine, ProblemKind};
use crate::log_buffer::is_about;
use narrowboat_core::name::Tenant;

/// Which lines.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct LogsQuery {
    /// Those about one plugin
    plugin: Option<String>,
    /// Those about one tenant; about all and the host itself if left out, or about the token's own
    #[serde(rename = "tenant")]
    _tenant: Option<String>,
    /// So many of the last; 100 if left out
    lines: Option<usize>,
    /// Whether to go on with those that come
    #[serde(default)]
    follow: bool,
}

/// Lines of the log, the oldest first, each as JSON on a line of its own. Scope `read`.
#[utoipa::path(get, path = "/v1/logs", params(LogsQuery), responses(
    (status = 200, description = "Lines, one JSON object each", body = LogLine, content_type = "application/x-ndjson"),
    (status = 400, description = "No such question", body = api::Problem),
    (status = 401, description = "No token", body = api::Problem),
    (status = 403, description = "Asked from another site", body = api::Problem),
    (status = 503, description = "Too many follow", body = api::Problem),
))]
pub(super) async fn logs(
    token: Authorized<ReadScope>,
    State(admin): State<Arc<AdminState>>,
    ValidatedQuery(which): ValidatedQuery<LogsQuery>,
) -> Result<Response, ApiError> {
    let turn = match which.follow {
        false => None,
        true => match admin.follower_limit.try_acquire(token.token_tenant()) {
            Some(turn) => Some(turn),
            None => return Err(ApiError::new(ProblemKind::Unavailable, "too many follow the log")),
        },
    };
    // Before the last are looked up, so that none is missed; one that is in both is told once.
    let coming = which.follow.then(|| admin.log_buffer.subscribe());
    let last = admin.log_buffer.last_lines(
        token.tenant.as_ref(),
        which.plugin.as_deref(),
        which.lines.unwrap_or(100),
    );
    let told = last.last().map_or(0, |line| line.sequence);
    let lines = LogStream {
        backlog: last.into(),
        receiver: coming,
        tenant: token.tenant,
        plugin: which.plugin,
        last_number: told,
        _permit: turn,
    };
    let body = Body::from_stream(stream::unfold(lines, |mut lines| async move {
        let line = lines.next_line().await?;
        Some((Ok::<_, std::convert::Infallible>(line), lines))
    }));
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

/// What is still to be told.
struct LogStream {
    backlog: VecDeque<Arc<LogLine>>,
    receiver: Option<Receiver<Arc<LogLine>>>,
    tenant: Option<Tenant>,
    plugin: Option<String>,
    /// The number of the last line that was told.
    last_number: u64,
    /// The place among those who follow.
    _permit: Option<ConcurrencyPermit>,
}

impl LogStream {
    async fn next_line(&mut self) -> Option<Bytes> {
        if let Some(line) = self.backlog.pop_front() {
            return Some(encode_line(&line));
        }
        loop {
            match self.receiver.as_mut()?.recv().await {
                Ok(line) if self.matches(&line) => return Some(encode_line(&line)),
                Ok(_) => {}
                Err(RecvError::Lagged(missed)) => return Some(encode_line(&lag_notice(missed))),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    fn matches(&self, line: &LogLine) -> bool {
        line.sequence > self.last_number
            && is_about(line, self.tenant.as_ref(), self.plugin.as_deref())
    }
}

fn lag_notice(missed: u64) -> LogLine {
    LogLine {
        sequence: 0,
        timestamp: humantime::format_rfc3339_millis(std::time::SystemTime::now()).to_string(),
        level: "WARN".to_owned(),
        from_guest: false,
        tenant: None,
        plugin: None,
        version: None,
        channel: None,
        message: format!("{missed} lines came too fast to be told here"),
    }
}

fn encode_line(line: &LogLine) -> Bytes {
    let mut text = serde_json::to_vec(line).unwrap_or_default();
    text.push(b'\n');
    text.into()
}
