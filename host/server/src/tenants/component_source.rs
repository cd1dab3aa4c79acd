//! The sources of components and source bundles: files, folders of source plugins, and crates that the host or a builder
//! beside it builds.

use std::path::PathBuf;

use super::plugin_identity::PluginIdentity;
use crate::host_error::HostError;
use crate::host_mode::HostMode;
use narrowboat_config::{PluginConfig, PluginSource};
use narrowboat_core::units::ByteSize;
use narrowboat_deploy::dev_builder::DevComponent;
use narrowboat_deploy::packaging::{self, BuildSource, MissingPackages, ReadBuildError};
use narrowboat_deploy::rollout::ChangePolicy;
use narrowboat_runtime::{Build, LoadError};

/// The source of a plugin's component or source bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ComponentSource {
    /// A file that the configuration names.
    File { path: PathBuf, policy: ChangePolicy },
    /// The folder of a source plugin.
    Folder(PathBuf),
    /// The folder of a source plugin that a developer edits. Another identity loads the plugin again.
    DevFolder { path: PathBuf, identity: Option<PluginIdentity> },
    /// A crate that the host builds when it loads the plugin.
    Crate(PathBuf),
    /// A crate that a builder beside the host has built.
    Built(DevComponent),
}

impl ComponentSource {
    /// Finds the source of a plugin; `None` for a crate that the builder beside the host has not built yet.
    pub(super) fn find(plugin: &PluginConfig, mode: &HostMode) -> Option<Self> {
        match (&plugin.source, mode) {
            (PluginSource::Component(file), mode) => {
                let policy = match mode {
                    HostMode::Serve => ChangePolicy::Operator,
                    HostMode::Dev { .. } => ChangePolicy::Grants,
                };
                Some(Self::File { path: file.clone(), policy })
            }
            (PluginSource::Source(folder), HostMode::Serve) => Some(Self::Folder(folder.clone())),
            (PluginSource::Source(folder), HostMode::Dev { .. }) => {
                let identity = PluginIdentity::of_folder(folder);
                Some(Self::DevFolder { path: folder.clone(), identity })
            }
            (PluginSource::Crate(folder), HostMode::Serve) => Some(Self::Crate(folder.clone())),
            (PluginSource::Crate(folder), HostMode::Dev { components, .. }) => {
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
            Self::Crate(folder) => {
                let built = packaging::build(folder, None)
                    .map_err(|source| HostError::Build { plugin: label.to_owned(), source })?;
                Ok(BuildSource::File(built.file))
            }
            named => Ok(named.watched_source()),
        }
    }

    /// The file or folder that is watched if the plugin cannot be loaded. Except for a crate, it has the versions.
    pub(super) fn watched_source(&self) -> BuildSource {
        match self {
            Self::File { path, .. } | Self::Crate(path) => BuildSource::File(path.clone()),
            Self::Folder(path) => {
                let missing_packages = MissingPackages::Refuse;
                BuildSource::Folder { path: path.clone(), missing_packages }
            }
            Self::DevFolder { path, .. } => {
                let missing_packages = MissingPackages::Install;
                BuildSource::Folder { path: path.clone(), missing_packages }
            }
            Self::Built(component) => BuildSource::File(component.file.clone()),
        }
    }

    /// The policy for versions that request more than the live one.
    pub(super) fn change_policy(&self) -> ChangePolicy {
        match self {
            Self::File { policy, .. } => *policy,
            Self::Folder(_) | Self::Crate(_) => ChangePolicy::Operator,
            Self::DevFolder { .. } => ChangePolicy::Grants,
            Self::Built(_) => ChangePolicy::Builder,
        }
    }

    /// The identity whose change loads the plugin again; `None` if it is not the host that notices the change.
    pub(super) fn identity(&self) -> Option<&PluginIdentity> {
        match self {
            Self::DevFolder { identity, .. } => identity.as_ref(),
            _ => None,
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
