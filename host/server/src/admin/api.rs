//! What the operator's interface takes and answers, as JSON. The host writes it, and the command line and the
//! dashboard read it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The header that a component's signature comes in with an upload.
pub const SIGNATURE_HEADER: &str = "narrowboat-signature";

/// An answer to what could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// What kind of problem it is, for programs.
    pub kind: ProblemKind,
    /// What is wrong and what would be right, for people.
    pub error: String,
}

/// Kinds of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// There is no token, or one that nobody has.
    Unauthorized,
    /// The token does not allow this, or a web page of another site asked.
    Forbidden,
    /// There is no such plugin, version, connection or path.
    NotFound,
    /// The path is not asked by this method.
    MethodNotAllowed,
    /// What was asked is not well-formed.
    Invalid,
    /// A component is larger than `admin.max_upload`.
    TooLarge,
    /// The component is not taken; the version before stays.
    Refused,
    /// The component requests more capabilities than the live version has, and waits for an approval.
    Pending,
    /// A newer version was offered before its turn came.
    Superseded,
    /// Not now: a layer is away, or a channel full.
    Unavailable,
}

/// A version that is live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeployResponse {
    /// The plugin.
    pub plugin: String,
    /// The SHA-256 of the live component.
    pub version: String,
    /// The version before; none where this one was live already.
    pub previous: Option<String>,
    /// Consumers that moved with their state.
    pub migrated: u64,
    /// Consumers that began afresh.
    pub restarted: u64,
    /// Connections that were closed.
    pub closed: u64,
    /// Consumers that stay on the version before.
    pub remaining: u64,
    /// Milliseconds from the offer's turn to the end of the trial.
    pub prepare_ms: u64,
    /// Milliseconds from the publishing to the last consumer's move.
    pub migrate_ms: u64,
    /// Whether it may still be rolled back for its faults.
    pub in_rollback_window: bool,
}

/// The version that is wanted back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RollbackRequest {
    /// Its SHA-256, or so many of its first digits that no other has them; the one before if left out.
    #[serde(default)]
    pub version: Option<String>,
}

/// The version that may have the capabilities that it requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproveRequest {
    /// Its SHA-256, or so many of its first digits that no other has them. There is no default: another may have come since
    /// somebody looked at what waits.
    pub version: String,
}

/// The versions of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionList {
    /// The plugin.
    pub plugin: String,
    /// Whether the live one may still be rolled back for its faults.
    pub in_rollback_window: bool,
    /// The newest first.
    pub versions: Vec<VersionInfo>,
}

/// A version that was offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionInfo {
    /// The SHA-256 of its component.
    pub version: String,
    /// Its component's length in bytes.
    pub size: u64,
    /// Who offered it last: `file`, or the name of a token.
    pub deployed_by: String,
    /// When, as RFC 3339 writes it.
    pub deployed_at: String,
    /// `live`, `previous`, `kept`, `pending`, `superseded`, `refused` or `rolled-back`.
    pub state: String,
    /// Why it was refused or rolled back, or waits for an approval.
    pub reason: Option<String>,
    /// What it asks for and the version that was live when it was offered had not, where that needs an approval, such as
    /// `groups "admin.*"`.
    pub extra_capabilities: Vec<String>,
    /// The name of the token that approved it, where it needed that.
    pub approved_by: Option<String>,
}

/// How a host fares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HostStatus {
    /// The program's version.
    pub version: String,
    /// Seconds since it began to serve.
    pub uptime_seconds: u64,
    /// Whether it takes connections and reaches its layers.
    pub ready: bool,
    /// Why it is not ready.
    pub not_ready_reasons: Vec<String>,
    /// What is left to close, while it drains.
    pub draining: Option<DrainStatus>,
    /// Open connections.
    pub connections: u64,
    /// Connections there may be: of the tenant that is asked about, or of all.
    pub max_connections: u64,
    /// The host's limits; none of them where a tenant is asked about.
    pub limits: Vec<LimitInfo>,
    /// By their names.
    pub tenants: Vec<TenantInfo>,
    /// By their names.
    pub plugins: Vec<PluginInfo>,
    /// By their names.
    pub layers: Vec<LayerInfo>,
}

/// What a tenant uses of what it may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TenantInfo {
    /// Its name.
    pub name: String,
    /// Open connections.
    pub connections: u64,
    /// Connections it may have.
    pub max_connections: u64,
    /// Its limits.
    pub limits: Vec<LimitInfo>,
}

/// A limit of the host, a tenant or a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LimitInfo {
    /// As the configuration calls it.
    pub name: String,
    /// How much there is, of what is given back.
    pub used: Option<u64>,
    /// How much there may be, or how much a second: a number, bytes, or of `cpu` nanoseconds.
    pub limit: Option<u64>,
    /// How often it was reached since the host began.
    pub reached: u64,
}

/// A plugin, as it serves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PluginInfo {
    /// Whose it is.
    pub tenant: String,
    /// As routes call it.
    pub name: String,
    /// The SHA-256 of the live component.
    pub version: String,
    /// Whether that may still be rolled back for its faults.
    pub in_rollback_window: bool,
    /// The version that waits for an approval, if one does.
    pub pending: Option<String>,
    /// `connection` or `shared`.
    pub isolation: String,
    /// Open connections.
    pub connections: u64,
    /// Handshakes, frames, messages and timers that the live version was brought.
    pub events: u64,
    /// Those of them that ended in a trap, a time-out or an error.
    pub faults: u64,
    /// Seconds that guests have run for those events.
    pub guest_call_seconds: f64,
    /// Versions that became live since the host began.
    pub deploys: u64,
    /// Versions that were not taken.
    pub refused: u64,
    /// Versions that were live and failed too often.
    pub rolled_back: u64,
    /// Frames of clients.
    pub frames_received: u64,
    /// Frames to clients.
    pub frames_sent: u64,
    /// Its own limits, within those of its tenant.
    pub limits: Vec<LimitInfo>,
    /// The faults of late, the newest first.
    pub recent_warnings: Vec<LogLine>,
}

/// A channel layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LayerInfo {
    /// Whose it is.
    pub tenant: String,
    /// As the configuration calls it.
    pub name: String,
    /// Whether all of its backend is reached.
    pub connected: bool,
    /// Operations that wait to leave.
    pub queued: u64,
    /// Deliveries for which a channel had no room.
    pub dropped: u64,
    /// Messages lost because the backend was away.
    pub lost: u64,
}

/// Open connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConnectionList {
    /// How many there are, those that are not listed included.
    pub total: u64,
    /// At most as many as asked for, the newest first.
    pub connections: Vec<ConnectionInfo>,
}

/// An open connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConnectionInfo {
    /// Its channel, which names it.
    pub channel: String,
    /// The tenant of the plugin.
    pub tenant: String,
    /// The plugin that serves it.
    pub plugin: String,
    /// The client's address and port.
    pub client: String,
    /// The path it asked for.
    pub path: String,
    /// Seconds since its handshake.
    pub age_seconds: u64,
    /// Bytes that wait for it.
    pub buffered_bytes: u64,
}

/// Why a connection is closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseRequest {
    /// 1000, 1001, 1008, 1011 to 1013, or 3000 to 4999.
    #[serde(default = "going_away")]
    pub code: u16,
    /// At most 123 bytes.
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
    /// The group it is for; this or `channel`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The channel it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Which layer; `default` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    /// An object with a string under `type`.
    #[schema(value_type = Object)]
    pub message: serde_json::Map<String, serde_json::Value>,
}

/// A message that the layer has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublishResponse {
    /// How many receivers there were when it was sent: a group's members, or with publish and subscribe the processes
    /// that listen; of a channel 1 if it is read. Null where only another process knows.
    pub receivers: Option<u64>,
}

/// What a configuration that was read anew has led to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfigReloadResponse {
    /// Tenants that are new.
    pub added: Vec<String>,
    /// Tenants of which something is other than it was.
    pub changed: Vec<String>,
    /// Tenants that are gone.
    pub removed: Vec<String>,
    /// Plugins that are not served, or not as the configuration wants it; the log says why.
    pub failed: Vec<String>,
    /// Keys at the top of the file of which a start alone reads what they say now, if that is other than what the host was
    /// started with.
    pub restart_required: Vec<String>,
    /// Seconds since the configuration was followed that this one was compared with: at the start, or when the file was
    /// seen to change.
    pub seconds_since_last_reload: u64,
}

/// How connections are to be closed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DrainRequest {
    /// The time over which the closes are spread, such as `30s`.
    #[serde(default)]
    pub duration: Option<String>,
}

/// A host on its way to having no connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DrainStatus {
    /// Connections when it began.
    pub total: u64,
    /// Connections that are left.
    pub remaining: u64,
    /// Seconds until the last is told to close.
    pub seconds_remaining: u64,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// Its number; each is one more than the one before.
    pub sequence: u64,
    /// When, as RFC 3339 writes it.
    pub timestamp: String,
    /// `ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE`.
    pub level: String,
    /// Whether a guest wrote it, rather than the host.
    pub from_guest: bool,
    /// The tenant it is about, if that is not `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The plugin it is about.
    pub plugin: Option<String>,
    /// The version, by its first digits.
    pub version: Option<String>,
    /// The channel of the connection it is about.
    pub channel: Option<String>,
    /// The words.
    pub message: String,
}
