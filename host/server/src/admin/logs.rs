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

use super::Admin;
use super::auth::{May, ToRead};
use super::problem::{Asked, Refusal};
use super::turns::Turn;
use crate::api::{self, LogLine, ProblemKind};
use crate::journal::is_about;
use narrowboat_core::name::Tenant;

/// Which lines.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
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
#[utoipa::path(get, path = "/v1/logs", params(Which), responses(
    (status = 200, description = "Lines, one JSON object each", body = LogLine, content_type = "application/x-ndjson"),
    (status = 400, description = "No such question", body = api::Problem),
    (status = 401, description = "No token", body = api::Problem),
    (status = 403, description = "Asked from another site", body = api::Problem),
    (status = 503, description = "Too many follow", body = api::Problem),
))]
pub(super) async fn logs(
    token: May<ToRead>,
    State(admin): State<Arc<Admin>>,
    Asked(which): Asked<Which>,
) -> Result<Response, Refusal> {
    let turn = match which.follow {
        false => None,
        true => match admin.followers.take(token.owner()) {
            Some(turn) => Some(turn),
            None => return Err(Refusal::new(ProblemKind::Unavailable, "too many follow the log")),
        },
    };
    // Before the last are looked up, so that none is missed; one that is in both is told once.
    let coming = which.follow.then(|| admin.journal.follow());
    let last = admin.journal.last(
        token.about.as_ref(),
        which.plugin.as_deref(),
        which.lines.unwrap_or(100),
    );
    let told = last.last().map_or(0, |line| line.number);
    let lines = Lines {
        last: last.into(),
        coming,
        tenant: token.about,
        plugin: which.plugin,
        told,
        _turn: turn,
    };
    let body = Body::from_stream(stream::unfold(lines, |mut lines| async move {
        let line = lines.next().await?;
        Some((Ok::<_, std::convert::Infallible>(line), lines))
    }));
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

/// What is still to be told.
struct Lines {
    last: VecDeque<Arc<LogLine>>,
    coming: Option<Receiver<Arc<LogLine>>>,
    tenant: Option<Tenant>,
    plugin: Option<String>,
    /// The number of the last line that was told.
    told: u64,
    /// The place among those who follow.
    _turn: Option<Turn>,
}

impl Lines {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(line) = self.last.pop_front() {
            return Some(json(&line));
        }
        loop {
            match self.coming.as_mut()?.recv().await {
                Ok(line) if self.wants(&line) => return Some(json(&line)),
                Ok(_) => {}
                Err(RecvError::Lagged(missed)) => return Some(json(&lagged(missed))),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    fn wants(&self, line: &LogLine) -> bool {
        line.number > self.told && is_about(line, self.tenant.as_ref(), self.plugin.as_deref())
    }
}

fn lagged(missed: u64) -> LogLine {
    LogLine {
        number: 0,
        at: humantime::format_rfc3339_millis(std::time::SystemTime::now()).to_string(),
        level: "WARN".to_owned(),
        guest: false,
        tenant: None,
        plugin: None,
        version: None,
        connection: None,
        message: format!("{missed} lines came too fast to be told here"),
    }
}

fn json(line: &LogLine) -> Bytes {
    let mut text = serde_json::to_vec(line).unwrap_or_default();
    text.push(b'\n');
    text.into()
}
