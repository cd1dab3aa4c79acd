//! `overflow` of a plugin.

use serde::Deserialize;

/// The host's policy if the outbound queue of a connection is full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OverflowPolicy {
    /// The connection closes with 1013.
    #[default]
    Close,
    /// `send` returns `backpressure`. Frames of a group are dropped and counted.
    Refuse,
    /// The oldest frames in the queue are dropped and counted, for clients that only need the newest ones.
    DropOldest,
}
