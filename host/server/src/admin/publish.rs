//! `POST /v1/publish`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;

use super::admin_state::AdminState;
use super::api::{self, ProblemKind};
use super::api_error::ApiError;
use super::authorized::{Authorized, PublishScope};
use super::extract::{TenantParam, ValidatedJson};
use narrowboat_channels::{LayerError, Recipient};
use narrowboat_config::DEFAULT_LAYER;
use narrowboat_core::message::Message;
use narrowboat_core::name::{ChannelName, GroupName};

/// How long a layer may take to accept a message.
const LAYER_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends a message to a group or a channel. Requires the scope `publish`.
#[utoipa::path(post, path = "/v1/publish", params(TenantParam), request_body = api::PublishRequest, responses(
    (status = 200, description = "The layer has accepted the message", body = api::PublishResponse),
    (status = 400, description = "The message is not valid or too large, or the body does not name exactly one of `group` and `channel`", body = api::Problem),
    (status = 401, description = "The token is missing or unknown", body = api::Problem),
    (status = 403, description = "The token lacks the scope or belongs to another tenant, or `Host` or `Origin` is wrong", body = api::Problem),
    (status = 404, description = "There is no such layer or tenant", body = api::Problem),
    (status = 503, description = "The layer is disconnected or does not respond within 5 seconds, or the channel is full", body = api::Problem),
))]
pub(super) async fn publish(
    token: Authorized<PublishScope>,
    State(admin): State<Arc<AdminState>>,
    ValidatedJson(publish): ValidatedJson<api::PublishRequest>,
) -> Result<Json<api::PublishResponse>, ApiError> {
    let runtime = token.tenant_runtime(&admin)?;
    let name = publish.layer.as_deref().unwrap_or(DEFAULT_LAYER);
    let known_names = runtime.layer_statuses().map(|(name, _)| name);
    let layer =
        runtime.layer(name).ok_or_else(|| ApiError::unknown_name("layer", name, known_names))?;
    let message = Message::from_json(&publish.message)
        .map_err(|error| ApiError::invalid(format!("message: {error}")))?;
    let tenant = &runtime.tenant;
    let target = PublishTarget::parse(&publish)?;
    let send = async {
        // Counted first, because a receiver may leave as soon as it has the message.
        let receivers = layer.receiver_count(tenant, target.recipient()).await?;
        match &target {
            PublishTarget::Group(group) => layer.group_send(tenant, group, message).await?,
            PublishTarget::Channel(channel) => layer.send(tenant, channel, message).await?,
        }
        Ok(api::PublishResponse { receivers })
    };
    match tokio::time::timeout(LAYER_TIMEOUT, send).await {
        Ok(Ok(response)) => Ok(Json(response)),
        Ok(Err(error @ (LayerError::TooLarge { .. } | LayerError::InvalidMessage(_)))) => {
            Err(ApiError::invalid(error.to_string()))
        }
        Ok(Err(error)) => Err(ApiError::new(ProblemKind::Unavailable, error.to_string())),
        Err(_) => Err(ApiError::new(ProblemKind::Unavailable, "the layer does not respond")),
    }
}

/// The receiver of a message.
enum PublishTarget {
    Group(GroupName),
    Channel(ChannelName),
}

impl PublishTarget {
    /// Parses the receiver that a request names.
    fn parse(publish: &api::PublishRequest) -> Result<Self, ApiError> {
        match (&publish.group, &publish.channel) {
            (Some(group), None) => Ok(Self::Group(parse_name("group", group)?)),
            (None, Some(channel)) => Ok(Self::Channel(parse_name("channel", channel)?)),
            _ => Err(ApiError::invalid("name either a `group` or a `channel`")),
        }
    }

    fn recipient(&self) -> Recipient<'_> {
        match self {
            Self::Group(group) => Recipient::Group(group),
            Self::Channel(channel) => Recipient::Channel(channel),
        }
    }
}

fn parse_name<T: std::str::FromStr<Err: std::fmt::Display>>(
    key: &str,
    name: &str,
) -> Result<T, ApiError> {
    name.parse().map_err(|error| ApiError::invalid(format!("{key}: {error}")))
}
