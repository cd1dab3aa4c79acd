//! The sources of components and source bundles: files, folders of source plugins, and crates that the host builds.

use crate::host_error::HostError;
use narrowboat_config::{PluginConfig, PluginSource};
use narrowboat_core::units::ByteSize;
use narrowboat_deploy::packaging::{self, BuildSource, ReadBuildError};
use narrowboat_runtime::{Build, LoadError};

/// Returns where the versions of a plugin are read. Builds the component first if the plugin is a crate.
///
/// # Errors
/// If the crate cannot be built.
pub(super) fn locate_source(label: &str, plugin: &PluginConfig) -> Result<BuildSource, HostError> {
    match &plugin.source {
        PluginSource::Component(file) => Ok(BuildSource::File(file.clone())),
        PluginSource::Source(folder) => Ok(BuildSource::Folder(folder.clone())),
        PluginSource::Crate(folder) => {
            let built = packaging::build(folder, None)
                .map_err(|source| HostError::Build { plugin: label.to_owned(), source })?;
            Ok(BuildSource::File(built.file))
        }
    }
}

/// Reads the bytes of a plugin.
///
/// # Errors
/// If the file cannot be read, or the folder cannot be packed.
pub(super) fn read_build(
    label: &str,
    source: &BuildSource,
    limit: ByteSize,
) -> Result<Build, HostError> {
    let plugin = label.to_owned();
    source.read(limit).map_err(|error| match error {
        ReadBuildError::File { file, source } => LoadError::Read { plugin, file, source }.into(),
        ReadBuildError::Folder(source) => HostError::Build { plugin, source },
    })
}

/// The file or folder that the configuration names, which is watched if the plugin cannot be loaded.
pub(super) fn watched_source(config: &PluginConfig) -> BuildSource {
    match &config.source {
        PluginSource::Source(folder) => BuildSource::Folder(folder.clone()),
        PluginSource::Component(path) | PluginSource::Crate(path) => {
            BuildSource::File(path.clone())
        }
    }
}
