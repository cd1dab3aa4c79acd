//! `watch`: how the host notices changed files.

use serde::Deserialize;

/// How the host notices changed files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WatchMode {
    /// The host uses the notifications of the system, and looks once a second for changes without a notification.
    #[default]
    Events,
    /// The host looks several times a second, for file systems without notifications.
    Poll,
}

/// `watch` as the file has it.
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
