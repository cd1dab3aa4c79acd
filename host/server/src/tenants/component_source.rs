//! The sources of components: files, and crates that the host builds.

use std::path::PathBuf;

use crate::host_error::HostError;
use narrowboat_config::{PluginConfig, PluginSource};
use narrowboat_deploy::packaging;

/// Returns the file of a plugin's component. Builds the component first if the plugin is a crate.
///
/// # Errors
/// If the crate cannot be built.
pub(super) fn locate_component(label: &str, plugin: &PluginConfig) -> Result<PathBuf, HostError> {
    match &plugin.source {
        PluginSource::Component(file) => Ok(file.clone()),
        PluginSource::Crate(folder) => {
            let built = packaging::build(folder, None)
                .map_err(|source| HostError::Build { plugin: label.to_owned(), source })?;
            Ok(built.file)
        }
    }
}

/// The component or crate that the configuration names, which is watched if the plugin cannot be loaded.
pub(super) fn source_path(config: &PluginConfig) -> PathBuf {
    match &config.source {
        PluginSource::Component(file) => file.clone(),
        PluginSource::Crate(folder) => folder.clone(),
    }
}
