//! Why a plugin cannot be loaded.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::engine::VersionError;
use crate::language_runtime::RuntimeError;
use narrowboat_config::ConfigError;
use narrowboat_config::signature::SignatureError;
use narrowboat_core::fault::GuestFault;
use narrowboat_core::manifest::ManifestError;
use narrowboat_core::plugin_file::PluginFileError;

/// Why a plugin cannot be loaded.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("plugin {plugin:?}: {}: {source}", file.display())]
    Read {
        /// The label of the plugin.
        plugin: String,
        /// The file of the component.
        file: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// None of the required signers has signed the component.
    #[error("plugin {plugin:?}: {} {source}", file.display())]
    Signature {
        /// The label of the plugin.
        plugin: String,
        /// The file of the component.
        file: PathBuf,
        /// The problem with the signature.
        source: SignatureError,
    },
    /// The bytes are neither a component nor a source bundle, or the component exceeds a limit.
    #[error("plugin {plugin:?}: {} {source}", file.display())]
    Component {
        /// The label of the plugin.
        plugin: String,
        /// The file of the component.
        file: PathBuf,
        /// The problem with the component.
        source: PluginFileError,
    },
    /// The component does not compile, or does not match the interfaces of this host.
    #[error("plugin {plugin:?}: {} {source}", file.display())]
    Version {
        /// The label of the plugin.
        plugin: String,
        /// The file of the component.
        file: PathBuf,
        /// The problem with the component.
        source: VersionError,
    },
    /// The manifest is wrong.
    #[error("plugin {plugin:?}: {}: manifest: {source}", file.display())]
    Manifest {
        /// The label of the plugin.
        plugin: String,
        /// The file of the component.
        file: PathBuf,
        /// The problem with the manifest.
        source: ManifestError,
    },
    /// The source of the plugin cannot run.
    #[error("plugin {plugin:?}: {} {source}", file.display())]
    Source {
        /// The label of the plugin.
        plugin: String,
        /// The file of the source bundle, or the folder of the source.
        file: PathBuf,
        /// The problem with the source.
        source: RuntimeError,
    },
    /// No instance of the component starts.
    #[error("plugin {plugin:?}: {} cannot start: {source}", file.display())]
    Start {
        /// The label of the plugin.
        plugin: String,
        /// The file of the component.
        file: PathBuf,
        /// The fault of the start-up code.
        source: GuestFault,
    },
    /// The operator's configuration and the manifest conflict.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// The plugin and the file that an error names.
#[derive(Debug, Clone, Copy)]
pub(super) struct ErrorContext<'a> {
    /// The label of the plugin.
    pub(super) plugin: &'a str,
    /// The file of the component.
    pub(super) file: &'a Path,
}

impl ErrorContext<'_> {
    pub(super) fn read(self, source: std::io::Error) -> LoadError {
        let (plugin, file) = self.to_owned_parts();
        LoadError::Read { plugin, file, source }
    }

    pub(super) fn signature(self, source: SignatureError) -> LoadError {
        let (plugin, file) = self.to_owned_parts();
        LoadError::Signature { plugin, file, source }
    }

    pub(super) fn component(self, source: impl Into<PluginFileError>) -> LoadError {
        let (plugin, file) = self.to_owned_parts();
        LoadError::Component { plugin, file, source: source.into() }
    }

    pub(super) fn source(self, source: RuntimeError) -> LoadError {
        let (plugin, file) = self.to_owned_parts();
        LoadError::Source { plugin, file, source }
    }

    pub(super) fn version(self, source: VersionError) -> LoadError {
        let (plugin, file) = self.to_owned_parts();
        LoadError::Version { plugin, file, source }
    }

    pub(super) fn manifest(self, source: ManifestError) -> LoadError {
        let (plugin, file) = self.to_owned_parts();
        LoadError::Manifest { plugin, file, source }
    }

    pub(super) fn start(self, source: GuestFault) -> LoadError {
        let (plugin, file) = self.to_owned_parts();
        LoadError::Start { plugin, file, source }
    }

    fn to_owned_parts(self) -> (String, PathBuf) {
        (self.plugin.to_owned(), self.file.to_owned())
    }
}
