//! The settings of a manifest that a version cannot change.

use std::path::Path;

use narrowboat_core::manifest::{self, Isolation, Manifest};
use narrowboat_core::plugin_file::PluginFile;
use narrowboat_core::room_template::RoomTemplate;
use narrowboat_runtime::Build;

/// The settings of a manifest that a version cannot change, so that the plugin has to be loaded again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PluginIdentity {
    name: String,
    isolation: Isolation,
    room_template: Option<RoomTemplate>,
}

impl PluginIdentity {
    /// Reads the identity of a source plugin; `None` if its manifest cannot be read. Blocks on the disk.
    pub(super) fn of_folder(folder: &Path) -> Option<Self> {
        let text = std::fs::read(folder.join(manifest::FILE_NAME)).ok()?;
        Manifest::parse_of_bundle(&text).ok().map(Self::from)
    }

    /// The identity of a version; `None` if its manifest cannot be read.
    pub(super) fn of_build(build: &Build) -> Option<Self> {
        PluginFile::parse(build.bytes()).ok()?.manifest().ok()?.map(Self::from)
    }
}

impl From<Manifest> for PluginIdentity {
    fn from(manifest: Manifest) -> Self {
        let room_template = manifest.rooms.map(|rooms| rooms.template);
        Self { name: manifest.name, isolation: manifest.isolation, room_template }
    }
}
