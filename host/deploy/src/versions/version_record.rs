//! What is known of a version that was offered.

use serde::{Deserialize, Serialize};

use narrowboat_runtime::Sha256Digest;

/// One version of a plugin, as people and the shelf's file see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionRecord {
    /// The SHA-256 of its bytes.
    pub version: Sha256Digest,
    /// Its bytes' length.
    pub size: u64,
    /// Who offered it last: `file`, or the name of a token.
    pub deployed_by: String,
    /// When, as RFC 3339 writes it, in UTC.
    pub deployed_at: String,
    /// What became of it.
    pub state: VersionState,
    /// Why it is not live, where it was refused or rolled back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What it asks for and the version that was live when it was offered had not, where that needs an approval.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_capabilities: Vec<String>,
    /// The name of the token that approved it, where it needed that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// Whether it has ever been live.
    #[serde(default)]
    pub served: bool,
}

impl VersionRecord {
    /// Whether it may have the capabilities that it requests: it has served, or somebody has approved it. That it is kept says nothing: it
    /// is kept before it is published, and then may not be.
    pub fn is_preapproved(&self) -> bool {
        let is_allowed = self.served || self.approved_by.is_some();
        is_allowed && !self.state.is_awaiting_approval() && self.state.has_bytes()
    }
}

/// What became of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VersionState {
    /// It serves.
    Live,
    /// It served until the live one came.
    Previous,
    /// It served before, or was never published.
    Kept,
    /// It requests more capabilities than the live version, and nobody has approved that yet.
    Pending,
    /// The same, and meanwhile another version became live.
    Superseded,
    /// It did not fit, or failed when it was tried.
    Refused,
    /// It was live and failed too often.
    RolledBack,
}

impl VersionState {
    /// As it is written.
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

    /// Whether it waits for an approval.
    pub fn is_awaiting_approval(self) -> bool {
        matches!(self, Self::Pending | Self::Superseded)
    }

    /// Whether its bytes are kept.
    pub fn has_bytes(self) -> bool {
        self != Self::Refused
    }
}
