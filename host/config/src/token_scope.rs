//! `scopes` of a token.

use serde::Deserialize;

/// A group of operations that a token allows. Every scope includes [`TokenScope::Read`], and [`TokenScope::Admin`]
/// includes every other scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenScope {
    /// Read the state of the host.
    Read,
    /// Send to groups and channels.
    Publish,
    /// Change the live version of a plugin.
    Deploy,
    /// Approve a version that requests more capabilities than the live one.
    Approve,
    /// Everything, including closing connections and draining the host.
    Admin,
}

impl TokenScope {
    /// Returns whether a token with this scope may do an operation that needs the scope `required`.
    pub fn allows(self, required: Self) -> bool {
        self == Self::Admin || self == required || required == Self::Read
    }

    /// Returns the name of the scope in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Publish => "publish",
            Self::Deploy => "deploy",
            Self::Approve => "approve",
            Self::Admin => "admin",
        }
    }
}
