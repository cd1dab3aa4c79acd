//! A guest crate and its last build.

use std::path::{Path, PathBuf};

use crate::packaging::{self, Sources};

/// A guest crate and its last build.
#[derive(Debug)]
pub(super) struct CrateBuild {
    /// The plugin's name in the configuration.
    pub(super) plugin: String,
    pub(super) folder: PathBuf,
    pub(super) sources: Sources,
    /// The path of its component; `None` before the first successful build.
    pub(super) component: Option<PathBuf>,
    /// Whether its sources have changed since the last build began.
    pub(super) needs_build: bool,
}

impl CrateBuild {
    pub(super) fn new(plugin: &str, folder: &Path) -> Self {
        Self {
            plugin: plugin.to_owned(),
            folder: folder.to_owned(),
            sources: Sources::default(),
            component: None,
            needs_build: true,
        }
    }
}

/// Returns the sources of a crate. If cargo cannot read the manifest, returns the crate's folder, so that the correction of
/// the manifest is noticed.
pub(super) fn find_sources_or_folder(folder: &Path) -> Sources {
    packaging::find_sources(folder).unwrap_or_else(|_| Sources::from_folder(folder))
}
