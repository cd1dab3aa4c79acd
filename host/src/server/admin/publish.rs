//! Messages from outside.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;

use super::Admin;
use super::auth::{May, ToPublish};
use super::problem::{Given, OfTenant, Refusal};
use crate::api::{self, ProblemKind};
use crate::config::DEFAULT_LAYER;
use crate::layer::LayerError;
use crate::message::Message;
use crate::name::{ChannelName, GroupName};

/// How long a layer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sends a message to a group or a channel. Scope `publish`.
#[utoipa::path(post, path = "/v1/publish", params(OfTenant), request_body = api::Publish, responses(
    (status = 204, description = "It has been sent"),
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
) -> Result<StatusCode, Refusal> {
    let world = token.world(&admin)?;
    let name = publish.layer.as_deref().unwrap_or(DEFAULT_LAYER);
    let known = world.layers().map(|(name, _)| name);
    let layer = world.layer(name).ok_or_else(|| Refusal::unknown("layer", name, known))?;
    let message = Message::from_json(&publish.message)
        .map_err(|error| Refusal::invalid(format!("message: {error}")))?;
    let tenant = &world.tenant;
    let sent = match (&publish.group, &publish.channel) {
        (Some(group), None) => {
            let group: GroupName = named("group", group)?;
            let sent = layer.group_send(tenant, &group, message);
            tokio::time::timeout(PATIENCE, sent).await
        }
        (None, Some(channel)) => {
            let channel: ChannelName = named("channel", channel)?;
            let sent = layer.send(tenant, &channel, message);
            tokio::time::timeout(PATIENCE, sent).await
        }
        _ => return Err(Refusal::invalid("a message is for a `group` or for a `channel`")),
    };
    match sent {
        Ok(Ok(())) => Ok(StatusCode::NO_CONTENT),
        Ok(Err(error @ (LayerError::TooLarge { .. } | LayerError::InvalidMessage(_)))) => {
            Err(Refusal::invalid(error.to_string()))
        }
        Ok(Err(error)) => Err(Refusal::new(ProblemKind::Unavailable, error.to_string())),
        Err(_) => Err(Refusal::new(ProblemKind::Unavailable, "the layer does not answer")),
    }
}

fn named<T: std::str::FromStr<Err: std::fmt::Display>>(
    key: &str,
    name: &str,
) -> Result<T, Refusal> {
    name.parse().map_err(|error| Refusal::invalid(format!("{key}: {error}")))
}
