//! `on_failed_move` of a plugin.

use serde::Deserialize;

/// The host's policy for a consumer that cannot move to another version of its plugin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailedMovePolicy {
    /// The consumer stays on its version. If consumers share the instance, none of them moves and the new version is
    /// rolled back.
    #[default]
    KeepOld,
    /// A fresh consumer without the state takes its place, and learns that it is a replacement.
    Restart,
    /// The connection closes with 1012.
    Close,
}
