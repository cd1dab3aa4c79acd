//! `watch`: how changed files are noticed.

use serde::Deserialize;

/// How changed files are noticed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Noticing {
    /// The system tells of changes; a look each second catches what it does not tell.
    #[default]
    Events,
    /// By looking several times a second, for file systems that tell nothing.
    Poll,
}

/// As it is written: not to notice is a choice too.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Raw {
    #[default]
    Events,
    Poll,
    Off,
}

impl Raw {
    pub(super) fn noticing(self) -> Option<Noticing> {
        match self {
            Self::Events => Some(Noticing::Events),
            Self::Poll => Some(Noticing::Poll),
            Self::Off => None,
        }
    }
}
