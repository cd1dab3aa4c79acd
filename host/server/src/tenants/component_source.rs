//! The sources of components and source bundles: files, folders of source plugins, and crates that the host or a builder
//! beside it builds.

use std::path::PathBuf;

use crate::host_error::HostError;
use crate::host_mode::HostMode;
use narrowboat_config::{PluginConfig, PluginSource};
use narrowboat_core::units::ByteSize;
use narrowboat_deploy::dev_builder::DevComponent;
use narrowboat_deploy::packaging::{self, BuildSource, ReadBuildError};
use narrowboat_deploy::rollout::ChangePolicy;
use narrowboat_runtime::{Build, LoadError};

/// The source of a plugin's component or source bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ComponentSource {
    /// A file or a folder of a source plugin that the configuration names.
    Named { source: BuildSource, policy: ChangePolicy },
    /// A crate that the host builds when it loads the plugin.
    Crate(PathBuf),
    /// A crate that a builder beside the host has built.
    Built(DevComponent),
}

impl ComponentSource {
    /// Finds the source of a plugin; `None` for a crate that the builder beside the host has not built yet.
    pub(super) fn find(plugin: &PluginConfig, mode: &HostMode) -> Option<Self> {
        let named = |source| {
            let policy = match mode {
                HostMode::Serve => ChangePolicy::Operator,
                HostMode::Dev(_) => ChangePolicy::Grants,
            };
            Some(Self::Named { source, policy })
        };
        match (&plugin.source, mode) {
            (PluginSource::Component(file), _) => named(BuildSource::File(file.clone())),
            (PluginSource::Source(folder), _) => named(BuildSource::Folder(folder.clone())),
            (PluginSource::Crate(folder), HostMode::Serve) => Some(Self::Crate(folder.clone())),
            (PluginSource::Crate(folder), HostMode::Dev(components)) => {
                components.component(folder).map(Self::Built)
            }
        }
    }

    /// Returns where the versions of the plugin are read. Builds the component first if the host builds the crate.
    ///
    /// # Errors
    /// If the crate cannot be built.
    pub(super) fn locate(&self, label: &str) -> Result<BuildSource, HostError> {
        match self {
            Self::Named { source, .. } => Ok(source.clone()),
            Self::Crate(folder) => {
                let built = packaging::build(folder, None)
                    .map_err(|source| HostError::Build { plugin: label.to_owned(), source })?;
                Ok(BuildSource::File(built.file))
            }
            Self::Built(component) => Ok(BuildSource::File(component.file.clone())),
        }
    }

    /// The file or folder that is watched if the plugin cannot be loaded.
    pub(super) fn watched_source(&self) -> BuildSource {
        match self {
            Self::Named { source, .. } => source.clone(),
            Self::Crate(folder) => BuildSource::File(folder.clone()),
            Self::Built(component) => BuildSource::File(component.file.clone()),
        }
    }

    /// Who decides on versions that request more than the live one.
    pub(super) fn change_policy(&self) -> ChangePolicy {
        match self {
            Self::Named { policy, .. } => *policy,
            Self::Crate(_) => ChangePolicy::Operator,
            Self::Built(_) => ChangePolicy::Builder,
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
