//! The rooms of plugins: list, close and reset.

#![allow(unused_qualifications, reason = "in the code that utoipa generates")]

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use tokio::time::timeout;
use utoipa::IntoParams;

use super::admin_state::AdminState;
use super::api::{self, ProblemKind};
use super::api_error::ApiError;
use super::authorized::{AdminScope, Authorized, ReadScope};
use super::extract::{TenantParam, ValidatedQuery};
use narrowboat_core::alarm_time::AlarmTime;
use narrowboat_core::name::Tenant;
use narrowboat_core::room_name::RoomName;
use narrowboat_session::{AwakeRoom, InstanceRegistry, RoomEnd, RoomStoreError, SleepingRoom};

/// The number of rooms that a response lists if the request does not say it.
const DEFAULT_LISTED_ROOMS: usize = 100;

/// The largest number of rooms that a response lists.
const MAX_LISTED_ROOMS: usize = 1_000;

/// How long a room and the store may take for a request.
const ROOM_TIMEOUT: Duration = Duration::from_secs(5);

/// The rooms to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct RoomsQuery {
    /// Lists only rooms of this plugin
    plugin: Option<String>,
    /// Lists only rooms of this tenant. Default: the tenant of the token; with an operator's token all tenants
    #[serde(rename = "tenant")]
    _tenant: Option<String>,
    /// The largest number of rooms to list, at most 1,000. Default: 100
    limit: Option<usize>,
}

/// The page of rooms to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct SleepingRoomsQuery {
    /// The tenant. Default: the tenant of the token; with an operator's token the tenant `default`
    #[serde(rename = "tenant")]
    _tenant: Option<String>,
    /// The cursor of the page before
    cursor: Option<String>,
    /// The number of rooms, at most 1,000. Default: 100
    limit: Option<usize>,
}

/// Lists the rooms that are awake. Requires the scope `read`.
#[utoipa::path(get, path = "/v1/rooms", params(RoomsQuery), responses(
    (status = 200, description = "The rooms", body = api::RoomList),
    (status = 400, description = "A query parameter is unknown or not valid", body = api::Problem),
    (status = 401, description = "The token is missing or unknown", body = api::Problem),
    (status = 403, description = "The token lacks the scope or belongs to another tenant, or `Host` or `Origin` is wrong", body = api::Problem),
    (status = 404, description = "There is no such plugin or tenant", body = api::Problem),
))]
pub(super) async fn rooms(
    token: Authorized<ReadScope>,
    State(admin): State<Arc<AdminState>>,
    ValidatedQuery(query): ValidatedQuery<RoomsQuery>,
) -> Result<Json<api::RoomList>, ApiError> {
    if let Some(plugin) = &query.plugin {
        token.require_plugin(&admin, plugin)?;
    }
    let mut rooms = Vec::new();
    for (tenant, runtime) in &*admin.server.host.tenants().all() {
        if !token.covers(tenant) {
            continue;
        }
        for (name, rollout) in runtime.rollouts() {
            if query.plugin.as_ref().is_none_or(|plugin| plugin == name) {
                let awake = rollout.registry().awake_rooms();
                rooms.extend(awake.into_iter().map(|room| room_info(tenant, name, room)));
            }
        }
    }
    let total = rooms.len() as u64;
    rooms.sort_unstable_by(|a, b| b.visitors.cmp(&a.visitors).then_with(|| a.room.cmp(&b.room)));
    rooms.truncate(query.limit.unwrap_or(DEFAULT_LISTED_ROOMS).min(MAX_LISTED_ROOMS));
    Ok(Json(api::RoomList { total, rooms }))
}

fn room_info(tenant: &Tenant, plugin: &str, room: AwakeRoom) -> api::RoomInfo {
    api::RoomInfo {
        tenant: tenant.to_string(),
        plugin: plugin.to_owned(),
        room: room.name.to_string(),
        visitors: room.visitors as u64,
        memory_bytes: room.memory_bytes,
        state_bytes: room.state_bytes,
        age_seconds: room.awake_for.as_secs(),
        alarm: room.alarm.map(format_alarm),
    }
}

/// Lists the rooms of a plugin that sleep. Requires the scope `read`.
#[utoipa::path(get, path = "/v1/plugins/{plugin}/rooms/sleeping", params(SleepingRoomsQuery, ("plugin" = String, Path, description = "The name of the plugin in routes")), responses(
    (status = 200, description = "A page of rooms", body = api::SleepingRoomList),
    (status = 400, description = "A query parameter is unknown or not valid", body = api::Problem),
    (status = 401, description = "The token is missing or unknown", body = api::Problem),
    (status = 403, description = "The token lacks the scope or belongs to another tenant, or `Host` or `Origin` is wrong", body = api::Problem),
    (status = 404, description = "There is no such plugin or tenant", body = api::Problem),
    (status = 503, description = "The store does not respond", body = api::Problem),
))]
pub(super) async fn sleeping(
    token: Authorized<ReadScope>,
    State(admin): State<Arc<AdminState>>,
    Path(plugin): Path<String>,
    ValidatedQuery(query): ValidatedQuery<SleepingRoomsQuery>,
) -> Result<Json<api::SleepingRoomList>, ApiError> {
    let registry = find_registry(&token, &admin, &plugin)?;
    let limit = query.limit.unwrap_or(DEFAULT_LISTED_ROOMS).min(MAX_LISTED_ROOMS);
    let page = in_time(registry.sleeping_rooms(query.cursor.as_deref(), limit)).await?;
    let rooms = page.rooms.into_iter().map(sleeping_room_info).collect();
    Ok(Json(api::SleepingRoomList { rooms, cursor: page.cursor }))
}

fn sleeping_room_info(SleepingRoom { name, saved, alarm }: SleepingRoom) -> api::SleepingRoomInfo {
    let saved = saved.as_ref();
    api::SleepingRoomInfo {
        room: name.to_string(),
        state_bytes: saved.map(|saved| saved.state_bytes),
        saved_at: saved.map(|saved| humantime::format_rfc3339_seconds(saved.saved_at).to_string()),
        version: saved.map(|saved| saved.version.to_string()),
        alarm: alarm.map(format_alarm),
    }
}

/// The time of an alarm in the form of RFC 3339.
fn format_alarm(alarm: AlarmTime) -> String {
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(alarm.as_millis()));
    let time = time.unwrap_or(SystemTime::UNIX_EPOCH);
    humantime::format_rfc3339_seconds(time).to_string()
}

/// Closes the connections of a room with 1012, and lets it sleep. Requires the scope `admin`.
#[utoipa::path(post, path = "/v1/plugins/{plugin}/rooms/{room}/close", params(TenantParam,
    ("plugin" = String, Path, description = "The name of the plugin in routes"),
    ("room" = String, Path, description = "The name of the room, percent-encoded")), responses(
    (status = 204, description = "The connections close"),
    (status = 401, description = "The token is missing or unknown", body = api::Problem),
    (status = 403, description = "The token lacks the scope or belongs to another tenant, or `Host` or `Origin` is wrong", body = api::Problem),
    (status = 404, description = "There is no such room, plugin or tenant", body = api::Problem),
    (status = 503, description = "The room or the store does not respond", body = api::Problem),
))]
pub(super) async fn close(
    token: Authorized<AdminScope>,
    State(admin): State<Arc<AdminState>>,
    Path((plugin, room)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    end_room(&token, &admin, &plugin, &room, RoomEnd::Close).await
}

/// Closes the connections of a room with 1012, and deletes its state. Requires the scope `admin`.
#[utoipa::path(post, path = "/v1/plugins/{plugin}/rooms/{room}/reset", params(TenantParam,
    ("plugin" = String, Path, description = "The name of the plugin in routes"),
    ("room" = String, Path, description = "The name of the room, percent-encoded")), responses(
    (status = 204, description = "The state is deleted"),
    (status = 401, description = "The token is missing or unknown", body = api::Problem),
    (status = 403, description = "The token lacks the scope or belongs to another tenant, or `Host` or `Origin` is wrong", body = api::Problem),
    (status = 404, description = "There is no such room, plugin or tenant", body = api::Problem),
    (status = 503, description = "The room or the store does not respond, or takes no writes", body = api::Problem),
))]
pub(super) async fn reset(
    token: Authorized<AdminScope>,
    State(admin): State<Arc<AdminState>>,
    Path((plugin, room)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    end_room(&token, &admin, &plugin, &room, RoomEnd::Reset).await
}

async fn end_room(
    token: &Authorized<AdminScope>,
    admin: &AdminState,
    plugin: &str,
    room: &str,
    end: RoomEnd,
) -> Result<StatusCode, ApiError> {
    let registry = find_registry(token, admin, plugin)?;
    let unknown = || ApiError::not_found(format!("plugin {plugin:?} has no room {room:?}"));
    let name = RoomName::parse(room).ok_or_else(unknown)?;
    if !in_time(registry.end_room(&name, end)).await? {
        return Err(unknown());
    }
    let (plugin, token) = (&*registry.plugin().label, &*token.token_name);
    match end {
        RoomEnd::Close => tracing::info!(plugin, room, token, "room closed by an operator"),
        RoomEnd::Reset => tracing::info!(plugin, room, token, "room reset by an operator"),
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The instances of a plugin of the tenant that the request is about.
fn find_registry<S>(
    token: &Authorized<S>,
    admin: &AdminState,
    plugin: &str,
) -> Result<Arc<InstanceRegistry>, ApiError> {
    let runtime = token.tenant_runtime(admin)?;
    let registry = runtime.instance_registry(plugin).cloned();
    let known_names = runtime.rollouts().map(|(name, _)| name.as_str());
    registry.ok_or_else(|| ApiError::unknown_name("plugin", plugin, known_names))
}

async fn in_time<T>(
    operation: impl Future<Output = Result<T, RoomStoreError>>,
) -> Result<T, ApiError> {
    let unavailable = |error: String| ApiError::new(ProblemKind::Unavailable, error);
    match timeout(ROOM_TIMEOUT, operation).await {
        Ok(Err(RoomStoreError::Store(error))) => Err(error.into()),
        Ok(result) => result.map_err(|error| unavailable(error.to_string())),
        Err(_) => Err(unavailable("the room does not respond; it may still end".to_owned())),
    }
}
