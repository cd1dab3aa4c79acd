//! Messages from outside.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;

use super::Admin;
use super::auth::{May, ToPublish};
use super::problem::{Given, OfTenant, Refusal};
use crate::api::{self, ProblemKind};
use narrowboat_channels::{LayerError, Receiver};
use narrowboat_config::DEFAULT_LAYER;
use narrowboat_core::message::Message;
use narrowboat_core::name::{ChannelName, GroupName};

/// How long a layer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends a message to a group or a channel. Scope `publish`.
#[utoipa::path(post, path = "/v1/publish", params(OfTenant), request_body = api::Publish, responses(
    (status = 200, description = "It has been sent", body = api::Published),
    (status = 400, description = "Not a message, or for nobody", body = api::Problem),
    (status = 401, description = "No token", body = api::Problem),
    (status = 403, description = "The token does not allow it", body = api::Problem),
    (status = 404, description = "No such layer", body = api::Problem),
    (status = 503, description = "The layer is away, or the channel full", body = api::Problem),
))]
pub(super) async fn publish(
    token: May<ToPublish>,
    State(admin): State<Arc<Admin>>,
    Given(publish): Given<api::Publish>,
) -> Result<Json<api::Published>, Refusal> {
    let world = token.world(&admin)?;
    let name = publish.layer.as_deref().unwrap_or(DEFAULT_LAYER);
    let known = world.layers().map(|(name, _)| name);
    let layer = world.layer(name).ok_or_else(|| Refusal::unknown("layer", name, known))?;
    let message = Message::from_json(&publish.message)
        .map_err(|error| Refusal::invalid(format!("message: {error}")))?;
    let tenant = &world.tenant;
    let to = match (&publish.group, &publish.channel) {
        (Some(group), None) => To::Group(named("group", group)?),
        (None, Some(channel)) => To::Channel(named("channel", channel)?),
        _ => return Err(Refusal::invalid("a message is for a `group` or for a `channel`")),
    };
    let sent = async {
        // Asked before, so that whoever ends the channel on hearing the message has been counted.
        let receivers = layer.receivers(tenant, to.receiver()).await?;
        match &to {
            To::Group(group) => layer.group_send(tenant, group, message).await?,
            To::Channel(channel) => layer.send(tenant, channel, message).await?,
        }
        Ok(api::Published { receivers })
    };
    match tokio::time::timeout(PATIENCE, sent).await {
        Ok(Ok(published)) => Ok(Json(published)),
        Ok(Err(error @ (LayerError::TooLarge { .. } | LayerError::InvalidMessage(_)))) => {
            Err(Refusal::invalid(error.to_string()))
        }
        Ok(Err(error)) => Err(Refusal::new(ProblemKind::Unavailable, error.to_string())),
        Err(_) => Err(Refusal::new(ProblemKind::Unavailable, "the layer does not answer")),
    }
}

/// Whom a message is for.
enum To {
    Group(GroupName),
    Channel(ChannelName),
}

impl To {
    fn receiver(&self) -> Receiver<'_> {
        match self {
            Self::Group(group) => Receiver::Group(group),
            Self::Channel(channel) => Receiver::Channel(channel),
        }
    }
}

fn named<T: std::str::FromStr<Err: std::fmt::Display>>(
    key: &str,
    name: &str,
) -> Result<T, Refusal> {
    name.parse().map_err(|error| Refusal::invalid(format!("{key}: {error}")))
}
