//! `watch`: how changed files are noticed.

use serde::Deserialize;

/// How changed files are noticed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WatchMode {
    /// The system tells of changes; a look each second catches what it does not tell.
    #[default]
    Events,
    /// By looking several times a second, for file systems that tell nothing.
    Poll,
}

/// As it is written: not to notice is a choice too.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawWatchMode {
    #[default]
    Events,
    Poll,
    Off,
}

impl RawWatchMode {
    pub(super) fn mode(self) -> Option<WatchMode> {
        match self {
            Self::Events => Some(WatchMode::Events),
            Self::Poll => Some(WatchMode::Poll),
            Self::Off => None,
        }
    }
}
