//! `GET /v1/logs`.

#![allow(unused_qualifications, reason = "in the code that utoipa generates")]

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

use super::admin_state::AdminState;
use super::api::{self, LogLine, ProblemKind};
use super::api_error::ApiError;
use super::authorized::{Authorized, ReadScope};
use super::concurrency::ConcurrencyPermit;
use super::extract::ValidatedQuery;
use crate::log_buffer::is_about;
use narrowboat_core::name::Tenant;

/// The number of lines that a response begins with if the request does not say it.
const DEFAULT_LINES: usize = 100;

/// The lines to return.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct LogsQuery {
    /// Returns only lines about this plugin
    plugin: Option<String>,
    /// Returns only lines about this tenant. Default: the tenant of the token; with an operator's token all lines, including
    /// those about the host itself
    #[serde(rename = "tenant")]
    _tenant: Option<String>,
    /// The number of last lines. Default: 100
    lines: Option<usize>,
    /// `true` continues with new lines. Default: `false`
    #[serde(default)]
    follow: bool,
}

/// Returns lines of the log, the oldest first, each as a JSON object on a line of its own. Requires the scope `read`.
#[utoipa::path(get, path = "/v1/logs", params(LogsQuery), responses(
    (status = 200, description = "The lines, one JSON object each", body = LogLine, content_type = "application/x-ndjson"),
    (status = 400, description = "A query parameter is unknown or not valid", body = api::Problem),
    (status = 401, description = "The token is missing or unknown", body = api::Problem),
    (status = 403, description = "The token lacks the scope or belongs to another tenant, or `Host` or `Origin` is wrong", body = api::Problem),
    (status = 404, description = "There is no such plugin or tenant", body = api::Problem),
    (status = 503, description = "Too many requests follow the log: 64, or 8 with the tokens of one tenant", body = api::Problem),
))]
pub(super) async fn logs(
    token: Authorized<ReadScope>,
    State(admin): State<Arc<AdminState>>,
    ValidatedQuery(query): ValidatedQuery<LogsQuery>,
) -> Result<Response, ApiError> {
    if let Some(plugin) = &query.plugin {
        token.require_plugin(&admin, plugin)?;
    }
    let permit = match query.follow {
        false => None,
        true => match admin.follower_limit.try_acquire(token.token_tenant()) {
            Some(permit) => Some(permit),
            None => {
                let error = "too many requests follow the log; try again later";
                return Err(ApiError::new(ProblemKind::Unavailable, error));
            }
        },
    };
    // Subscribes before it reads the last lines, so that no line is missed. `last_number` drops lines that are in both.
    let receiver = query.follow.then(|| admin.log_buffer.subscribe());
    let last = admin.log_buffer.last_lines(
        token.tenant.as_ref(),
        query.plugin.as_deref(),
        query.lines.unwrap_or(DEFAULT_LINES),
    );
    let last_number = last.last().map_or(0, |line| line.sequence);
    let lines = LogStream {
        backlog: last.into(),
        receiver,
        tenant: token.tenant,
        plugin: query.plugin,
        last_number,
        _permit: permit,
    };
    let body = Body::from_stream(stream::unfold(lines, |mut lines| async move {
        let line = lines.next_line().await?;
        Some((Ok::<_, std::convert::Infallible>(line), lines))
    }));
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

/// The lines of a response.
struct LogStream {
    backlog: VecDeque<Arc<LogLine>>,
    receiver: Option<Receiver<Arc<LogLine>>>,
    tenant: Option<Tenant>,
    plugin: Option<String>,
    /// The number of the last line of the backlog.
    last_number: u64,
    /// The permit to follow the log.
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

/// A line that tells the reader that it has missed lines.
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
        message: format!("{missed} lines are missing here: they came faster than they were read"),
    }
}

fn encode_line(line: &LogLine) -> Bytes {
    let mut text = serde_json::to_vec(line).unwrap_or_default();
    text.push(b'\n');
    text.into()
}
