//! The JSON bodies of the admin API. The host writes them; the command line and the dashboard read them. The doc comments
//! are the descriptions in the OpenAPI document and in `docs/reference/admin-api.md`.

mod keyvalue_info;
mod room_info;
mod worker_info;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use keyvalue_info::{KeyvalueCompactResponse, KeyvalueInfo, KeyvalueKeyInfo, KeyvalueKeyList};
pub use room_info::{RoomInfo, RoomList, SleepingRoomInfo, SleepingRoomList};
pub use worker_info::{ScheduleInfo, ScheduledRunInfo, WorkerInfo};

/// The header of an upload with the signature of the component.
pub const SIGNATURE_HEADER: &str = "narrowboat-signature";

/// The header of a value with the milliseconds until its key expires; absent if the key does not.
pub const TTL_HEADER: &str = "narrowboat-ttl-ms";

/// The response to a request that fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The kind of problem, for programs.
    pub kind: ProblemKind,
    /// The problem and its remedy, for people.
    pub error: String,
}

/// The kind of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// 401: the token is missing or unknown.
    Unauthorized,
    /// 403: the token lacks the scope or belongs to another tenant, or `Host` or `Origin` is wrong.
    Forbidden,
    /// 404: there is no such path, plugin, version, connection, layer, key or tenant.
    NotFound,
    /// 405: the path does not support this method.
    MethodNotAllowed,
    /// 400: the query, the body, a header or the version is not valid.
    Invalid,
    /// 413: the upload is larger than `max_upload` of `[admin]`.
    TooLarge,
    /// 422: the version or the configuration is refused; nothing has changed.
    Refused,
    /// 409: the version requests more capabilities than the live one, and waits for approval.
    Pending,
    /// 429: the tenant or the plugin has reached `deploys_per_minute`.
    RateLimited,
    /// 409: a newer version was deployed while this one waited in the queue.
    Superseded,
    /// 503: the host cannot do this now; `error` says why.
    Unavailable,
}

/// The result of a deploy, a rollback or an approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeployResponse {
    /// The name of the plugin.
    pub plugin: String,
    /// The SHA-256 of the live component or source bundle.
    pub version: String,
    /// The SHA-256 of the version before; null if this version was live already.
    pub previous: Option<String>,
    /// The number of consumers that moved with their state.
    pub migrated: u64,
    /// The number of consumers that began without state.
    pub restarted: u64,
    /// The number of connections that were closed.
    pub closed: u64,
    /// The number of consumers that stay on the version before.
    pub remaining: u64,
    /// Milliseconds from the start of the deploy to the end of the trial.
    pub prepare_ms: u64,
    /// Milliseconds from the publication to the move of the last consumer.
    pub migrate_ms: u64,
    /// Whether the host may still roll the version back for its faults.
    pub in_rollback_window: bool,
}

/// The version to make live again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RollbackRequest {
    /// The SHA-256 of the version, or four or more of its first digits. Default: the version before the live one.
    #[serde(default)]
    pub version: Option<String>,
}

/// The version to approve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproveRequest {
    /// The SHA-256 of the version, or four or more of its first digits. Required, so that a version that arrived meanwhile is
    /// not approved by mistake.
    pub version: String,
}

/// The versions of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionList {
    /// The name of the plugin.
    pub plugin: String,
    /// Whether the host may still roll the live version back for its faults.
    pub in_rollback_window: bool,
    /// The versions, the newest first.
    pub versions: Vec<VersionInfo>,
}

/// A version of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionInfo {
    /// The SHA-256 of the component.
    pub version: String,
    /// The size of the component, in bytes.
    pub size: u64,
    /// The last deployer: `file`, or the name of a token (`operator` for the host's own).
    pub deployed_by: String,
    /// When the version was deployed last, as RFC 3339.
    pub deployed_at: String,
    /// The state: `live`, `previous`, `kept`, `pending`, `superseded`, `refused` or `rolled-back`.
    pub state: String,
    /// Why the version was refused, was rolled back or waits for approval; else null.
    pub reason: Option<String>,
    /// The capabilities that the version requests beyond those of the version that was live, if that needs approval; for
    /// example `groups "admin.*"`.
    pub extra_capabilities: Vec<String>,
    /// The name of the token that approved the version; null if none did.
    pub approved_by: Option<String>,
}

/// The status of a host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HostStatus {
    /// The version of the program.
    pub version: String,
    /// Seconds since the host began to serve.
    pub uptime_seconds: u64,
    /// Whether the host is ready: it accepts connections, and the layers of the tenant `default` are connected.
    pub ready: bool,
    /// The reasons why the host is not ready.
    pub not_ready_reasons: Vec<String>,
    /// The progress of the drain; null if the host does not drain.
    pub draining: Option<DrainStatus>,
    /// The number of open connections.
    pub connections: u64,
    /// The limit of open connections: of the tenant that the request is about, or of the host.
    pub max_connections: u64,
    /// The limits of the host; empty if the request is about a tenant.
    pub limits: Vec<LimitInfo>,
    /// The tenants, by name.
    pub tenants: Vec<TenantInfo>,
    /// The plugins, by tenant and name.
    pub plugins: Vec<PluginInfo>,
    /// The channel layers, by tenant and name.
    pub layers: Vec<LayerInfo>,
    /// The secrets, tokens, keys and certificates that cannot be used any more, without their values; the host keeps the
    /// previous ones. Empty if the request is about a tenant.
    #[serde(default)]
    pub secret_problems: Vec<String>,
    /// The key-value store of plugins.
    pub keyvalue: KeyvalueInfo,
    /// The workers, by tenant, in the order of the configuration.
    pub workers: Vec<WorkerInfo>,
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TenantInfo {
    /// The name of the tenant.
    pub name: String,
    /// The number of open connections.
    pub connections: u64,
    /// The limit of open connections.
    pub max_connections: u64,
    /// The limits of the tenant.
    pub limits: Vec<LimitInfo>,
}

/// A limit of the host, a tenant or a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LimitInfo {
    /// The name of the limit in the configuration.
    pub name: String,
    /// The current usage; null for a rate.
    pub used: Option<u64>,
    /// The limit: a number, bytes, or nanoseconds for `cpu` and `compile_time`; of a rate for each second, of
    /// `deploys_per_minute` for each minute. Null if there is none.
    pub limit: Option<u64>,
    /// The number of times that the limit was reached since the start of the host.
    pub reached: u64,
}

/// A plugin that is served.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PluginInfo {
    /// The tenant of the plugin.
    pub tenant: String,
    /// The name of the plugin, as routes use it.
    pub name: String,
    /// The SHA-256 of the live component or source bundle.
    pub version: String,
    /// The SHA-256 of the runtime that the live version runs on, or null for a component.
    pub runtime: Option<String>,
    /// Whether the host may still roll the live version back for its faults.
    pub in_rollback_window: bool,
    /// The SHA-256 of the version that waits for approval, or null.
    pub pending: Option<String>,
    /// How instances are isolated: `connection` or `shared`.
    pub isolation: String,
    /// The number of open connections.
    pub connections: u64,
    /// The number of handshakes, frames, messages and timers delivered to the live version.
    pub events: u64,
    /// The number of these events that ended in a trap, a timeout or an error.
    pub faults: u64,
    /// The seconds that guests have run for these events.
    pub guest_call_seconds: f64,
    /// The number of versions that became live since the start of the host.
    pub deploys: u64,
    /// The number of versions that were refused since the start of the host.
    pub refused: u64,
    /// The number of versions that were rolled back since the start of the host.
    pub rolled_back: u64,
    /// The number of messages received from clients.
    pub frames_received: u64,
    /// The number of frames written to clients.
    pub frames_sent: u64,
    /// The plugin's own limits.
    pub limits: Vec<LimitInfo>,
    /// The settings of the plugin, by key; `(secret)` stands for a secret.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// The last 10 warnings and errors about the plugin, the newest first.
    pub recent_warnings: Vec<LogLine>,
}

/// A channel layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LayerInfo {
    /// The tenant of the layer.
    pub tenant: String,
    /// The name of the layer in the configuration.
    pub name: String,
    /// Whether the layer is connected to all servers of its backend.
    pub connected: bool,
    /// The number of operations that wait to be sent.
    pub queued: u64,
    /// The number of deliveries that were dropped because the channel was full.
    pub dropped: u64,
    /// The number of messages that were lost because the backend was disconnected or refused them.
    pub lost: u64,
}

/// Open connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConnectionList {
    /// The number of open connections, including those that are not listed.
    pub total: u64,
    /// The connections, the newest first, at most `limit` of the query.
    pub connections: Vec<ConnectionInfo>,
}

/// An open connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConnectionInfo {
    /// The channel of the connection, which identifies it.
    pub channel: String,
    /// The tenant of the plugin.
    pub tenant: String,
    /// The plugin that serves it.
    pub plugin: String,
    /// The address and port of the client.
    pub client: String,
    /// The path of the handshake.
    pub path: String,
    /// Seconds since the handshake.
    pub age_seconds: u64,
    /// Bytes that wait to be written to the client.
    pub buffered_bytes: u64,
}

/// The Close frame for a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseRequest {
    /// The close code: 1000, 1001, 1008, 1011 to 1013, or 3000 to 4999. Default: 1001.
    #[serde(default = "going_away")]
    pub code: u16,
    /// The reason, at most 123 bytes. Default: empty.
    #[serde(default)]
    pub reason: String,
}

fn going_away() -> u16 {
    1001
}

/// A message for a group or a channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishRequest {
    /// The group that receives the message. Either this or `channel` is required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The channel that receives the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// The name of the channel layer. Default: `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// The message: an object with a string under `type`.
    #[schema(value_type = Object)]
    pub message: serde_json::Map<String, serde_json::Value>,
}

/// The result of sending a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublishResponse {
    /// The number of receivers when the message was sent: the members of the group, or with `redis-pubsub` the processes
    /// that subscribe; 1 for a channel that is read. Null if only another process knows.
    pub receivers: Option<u64>,
}

/// The result of a reload.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfigReloadResponse {
    /// The tenants that are new.
    pub added: Vec<String>,
    /// The tenants whose configuration has changed.
    pub changed: Vec<String>,
    /// The tenants that were removed.
    pub removed: Vec<String>,
    /// The plugins that are not served, or still run with their previous settings; the log has the reasons.
    pub failed: Vec<String>,
    /// The top-level keys that have changed since the start and are only read at start.
    pub restart_required: Vec<String>,
    /// Seconds since the start or the previous reload. The changes are those since then.
    pub seconds_since_last_reload: u64,
}

/// How to drain a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DrainRequest {
    /// The time over which the closes are spread, for example `5m`; at most a day. Default: `30s`.
    #[serde(default)]
    pub duration: Option<String>,
}

/// The progress of a drain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DrainStatus {
    /// The number of connections when the drain began.
    pub total: u64,
    /// The number of connections that are still open.
    pub remaining: u64,
    /// Seconds until the last connection is closed.
    pub seconds_remaining: u64,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// The number of the line; each is one more than the one before.
    pub sequence: u64,
    /// When the line was written, as RFC 3339.
    pub timestamp: String,
    /// The level: `ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE`.
    pub level: String,
    /// Whether a guest wrote the line, and not the host.
    pub from_guest: bool,
    /// The tenant that the line is about; absent for `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The plugin that the line is about, or null.
    pub plugin: Option<String>,
    /// The version that the line is about, by its first digits, or null.
    pub version: Option<String>,
    /// The channel of the connection that the line is about, or null.
    pub channel: Option<String>,
    /// The text, at most 16 KiB.
    pub message: String,
}
