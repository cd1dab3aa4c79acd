//! The record of a version that was deployed.

use serde::{Deserialize, Serialize};

use narrowboat_runtime::Sha256Digest;

/// The record of one version of a plugin, in `versions.json` and in the admin API. The aliases are the names that
/// were used before 0.1.0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionRecord {
    /// The SHA-256 of the bytes of the component or the source bundle.
    pub version: Sha256Digest,
    /// The length of the component in bytes.
    pub size: u64,
    /// The last deployer: `file`, or the name of a token.
    #[serde(alias = "by")]
    pub deployed_by: String,
    /// The time of the last deploy in UTC, in the format of RFC 3339.
    #[serde(alias = "at")]
    pub deployed_at: String,
    /// The state of the version.
    pub state: VersionState,
    /// Why the version is not live, if it was refused or rolled back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The requested capabilities that the live version did not have, if they need an approval.
    #[serde(default, alias = "asks_more", skip_serializing_if = "Vec::is_empty")]
    pub extra_capabilities: Vec<String>,
    /// The name of the token that approved the version, if it was approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// The SHA-256 of the runtime that the version was compiled with, if it is a source bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Sha256Digest>,
    /// Whether the version has ever been live.
    #[serde(default)]
    pub served: bool,
}

impl VersionRecord {
    /// Whether the version may have the capabilities that it requests: it has been live, or it was approved. The state
    /// `kept` alone does not suffice, since a version is stored before it is published, and its publication may fail.
    pub fn is_preapproved(&self) -> bool {
        let is_allowed = self.served || self.approved_by.is_some();
        is_allowed && !self.state.is_awaiting_approval() && self.state.has_bytes()
    }
}

/// The state of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VersionState {
    /// Serves the plugin's connections.
    Live,
    /// Was live before the live version.
    Previous,
    /// Was live earlier, or was never published.
    Kept,
    /// Requests more capabilities than the live version, and is not approved yet.
    Pending,
    /// Was pending when another version became live.
    Superseded,
    /// Failed a check or the trial.
    Refused,
    /// Was live and failed too often.
    RolledBack,
}

impl VersionState {
    /// The name of the state in `versions.json` and in the admin API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Previous => "previous",
            Self::Kept => "kept",
            Self::Pending => "pending",
            Self::Superseded => "superseded",
            Self::Refused => "refused",
            Self::RolledBack => "rolled-back",
        }
    }

    /// Whether the version waits for an approval.
    pub fn is_awaiting_approval(self) -> bool {
        matches!(self, Self::Pending | Self::Superseded)
    }

    /// Whether the bytes of the version are stored.
    pub fn has_bytes(self) -> bool {
        self != Self::Refused
    }
}
