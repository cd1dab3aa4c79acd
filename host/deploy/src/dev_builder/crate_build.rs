//! One crate being written.

use std::path::{Path, PathBuf};

use crate::packaging::{self, Sources};

/// One crate being written.
#[derive(Debug)]
pub(super) struct CrateBuild {
    /// As the configuration calls it.
    pub(super) plugin: String,
    pub(super) folder: PathBuf,
    pub(super) sources: Sources,
    /// Where its component lies once it has been built.
    pub(super) component: Option<PathBuf>,
    /// Whether its sources have changed since a build began.
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

/// What a crate is made of. A manifest that cargo cannot read belongs to the crate too: its mending
/// is waited for.
pub(super) fn find_sources_or_folder(folder: &Path) -> Sources {
    packaging::find_sources(folder).unwrap_or_else(|_| Sources::from_folder(folder))
}
