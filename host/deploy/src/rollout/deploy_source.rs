//! The origin of a deploy request.

use std::path::{Path, PathBuf};

/// The origin of a deploy request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeploySource {
    /// The plugin's component file, which the host read at its start.
    StartupFile(PathBuf),
    /// The plugin's component file, which has changed.
    ChangedFile(PathBuf),
    /// An upload.
    Deploy {
        /// The name of the token.
        by: String,
        /// Whether to deploy the bytes even if they were rolled back before.
        force: bool,
    },
    /// A rollback to a stored version.
    Rollback {
        /// The name of the token.
        by: String,
    },
    /// The approval of a pending version.
    Approval {
        /// The name of the token.
        by: String,
    },
}

impl DeploySource {
    /// Returns `file`, or the name of the token, for the log and the records.
    pub fn requested_by(&self) -> &str {
        match self {
            Self::StartupFile(_) | Self::ChangedFile(_) => "file",
            Self::Deploy { by, .. } | Self::Rollback { by } | Self::Approval { by } => by,
        }
    }

    /// Returns the path of the component for errors, or a description if it has none.
    pub fn display_path(&self) -> &Path {
        match self {
            Self::StartupFile(file) | Self::ChangedFile(file) => file,
            Self::Deploy { .. } => Path::new("the upload"),
            Self::Rollback { .. } | Self::Approval { .. } => Path::new("the kept version"),
        }
    }

    /// Whether the request names these bytes deliberately, so that an earlier rollback of them does not count.
    pub(super) fn is_explicit(&self) -> bool {
        match self {
            Self::StartupFile(_) | Self::ChangedFile(_) => false,
            Self::Deploy { force, .. } => *force,
            Self::Rollback { .. } | Self::Approval { .. } => true,
        }
    }

    /// Whether the bytes come from the plugin's component file.
    pub(super) fn is_from_file(&self) -> bool {
        matches!(self, Self::StartupFile(_) | Self::ChangedFile(_))
    }
}
