//! Why the folder of a plugin cannot be built.

use std::path::PathBuf;

use thiserror::Error;

use super::source::{RequirementsError, SourceFolderError};
use super::toolchain::ToolchainError;
use narrowboat_core::component::ComponentError;
use narrowboat_core::manifest::ManifestError;

/// Why the folder of a plugin, a guest crate or a source plugin, cannot be built.
#[derive(Debug, Error)]
pub enum BuildError {
    /// The folder does not exist.
    #[error("there is no folder {}", .0.display())]
    NoFolder(PathBuf),
    /// The manifest does not exist, or cannot be read.
    #[error("{}: {source}; a plugin has a plugin.toml with at least `name = \"…\"`", file.display())]
    NoManifest {
        /// The path of the manifest.
        file: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The manifest is wrong.
    #[error("{}: {source}", file.display())]
    Manifest {
        /// The path of the manifest.
        file: PathBuf,
        /// The error in the manifest.
        source: ManifestError,
    },
    /// The folder of a source plugin cannot be packed.
    #[error(transparent)]
    Source(#[from] SourceFolderError),
    /// The packages that a source plugin requires are not there.
    #[error(transparent)]
    Packages(#[from] RequirementsError),
    /// No compiler for guests.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// Cargo cannot be run.
    #[error("cannot run cargo: {0}; is Rust installed?")]
    Cargo(std::io::Error),
    /// Cargo failed. It has printed the reason.
    #[error("cargo could not build {}; its message is above", .0.display())]
    Failed(PathBuf),
    /// The crate does not build a WebAssembly module.
    #[error(
        "{} does not build a WebAssembly module; its Cargo.toml needs `[lib] crate-type = [\"cdylib\"]`",
        .0.display()
    )]
    NoModule(PathBuf),
    /// The module cannot become a component.
    #[error("{} is not a plugin: {problem:#}", module.display())]
    Encode {
        /// The module that cargo made.
        module: PathBuf,
        /// The error of the encoder.
        problem: anyhow::Error,
    },
    /// The component is neither a consumer nor a worker.
    #[error("{} {source}", module.display())]
    World {
        /// The module that cargo made.
        module: PathBuf,
        /// The difference.
        source: ComponentError,
    },
    /// The component cannot be written, or the module cannot be read.
    #[error("{}: {source}", file.display())]
    Write {
        /// The path of the file.
        file: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
}

impl BuildError {
    /// Whether the plugin's author has to correct the folder or the manifest. Nothing has been built then.
    pub fn is_manifest_error(&self) -> bool {
        matches!(
            self,
            Self::NoFolder(_)
                | Self::NoManifest { .. }
                | Self::Manifest { .. }
                | Self::Source(_)
                | Self::Packages(_)
        )
    }

    /// Whether a change of the crate's sources cannot correct the error.
    pub fn is_environment_error(&self) -> bool {
        matches!(self, Self::Toolchain(_) | Self::Cargo(_) | Self::Write { .. })
    }
}
