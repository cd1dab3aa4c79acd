//! Messages from outside.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;

use super::AdminState;
use super::api_error::{ApiError, TenantParam, ValidatedJson};
use super::auth::{Authorized, PublishScope};
use crate::api::{self, ProblemKind};
use narrowboat_channels::{LayerError, Recipient};
use narrowboat_config::DEFAULT_LAYER;
use narrowboat_core::message::Message;
use narrowboat_core::name::{ChannelName, GroupName};

/// How long a layer may take.
const LAYER_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends a message to a group or a channel. Scope `publish`.
#[utoipa::path(post, path = "/v1/publish", params(TenantParam), request_body = api::PublishRequest, responses(
    (status = 200, description = "It has been sent", body = api::PublishResponse),
    (status = 400, description = "Not a message, or for nobody", body = api::Problem),
    (status = 401, description = "No token", body = api::Problem),
    (status = 403, description = "The token does not allow it", body = api::Problem),
    (status = 404, description = "No such layer", body = api::Problem),
    (status = 503, description = "The layer is away, or the channel full", body = api::Problem),
))]
pub(super) async fn publish(
    token: Authorized<PublishScope>,
    State(admin): State<Arc<AdminState>>,
    ValidatedJson(publish): ValidatedJson<api::PublishRequest>,
) -> Result<Json<api::PublishResponse>, ApiError> {
    let world = token.tenant_runtime(&admin)?;
    let name = publish.layer.as_deref().unwrap_or(DEFAULT_LAYER);
    let known = world.layer_statuses().map(|(name, _)| name);
    let layer = world.layer(name).ok_or_else(|| ApiError::unknown_name("layer", name, known))?;
    let message = Message::from_json(&publish.message)
        .map_err(|error| ApiError::invalid(format!("message: {error}")))?;
    let tenant = &world.tenant;
    let to = match (&publish.group, &publish.channel) {
        (Some(group), None) => PublishTarget::Group(parse_name("group", group)?),
        (None, Some(channel)) => PublishTarget::Channel(parse_name("channel", channel)?),
        _ => return Err(ApiError::invalid("a message is for a `group` or for a `channel`")),
    };
    let sent = async {
        // Asked before, so that whoever ends the channel on hearing the message has been counted.
        let receivers = layer.receiver_count(tenant, to.receiver()).await?;
        match &to {
            PublishTarget::Group(group) => layer.group_send(tenant, group, message).await?,
            PublishTarget::Channel(channel) => layer.send(tenant, channel, message).await?,
        }
        Ok(api::PublishResponse { receivers })
    };
    match tokio::time::timeout(LAYER_TIMEOUT, sent).await {
        Ok(Ok(published)) => Ok(Json(published)),
        Ok(Err(error @ (LayerError::TooLarge { .. } | LayerError::InvalidMessage(_)))) => {
            Err(ApiError::invalid(error.to_string()))
        }
        Ok(Err(error)) => Err(ApiError::new(ProblemKind::Unavailable, error.to_string())),
        Err(_) => Err(ApiError::new(ProblemKind::Unavailable, "the layer does not answer")),
    }
}

/// Whom a message is for.
enum PublishTarget {
    Group(GroupName),
    Channel(ChannelName),
}

impl PublishTarget {
    fn receiver(&self) -> Recipient<'_> {
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
