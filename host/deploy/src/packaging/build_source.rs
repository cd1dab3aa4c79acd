//! Where the host reads the versions of a plugin.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::build_error::BuildError;
use super::source::{MissingPackages, PackedSource};
use narrowboat_config::signature::{MissingSignature, signature_path};
use narrowboat_core::units::ByteSize;
use narrowboat_runtime::Build;

/// Where the host reads the versions of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum BuildSource {
    /// The file of a component or of a source bundle.
    File(PathBuf),
    /// The folder of a source plugin, which is packed each time that it is read.
    Folder {
        /// The path of the folder.
        path: PathBuf,
        /// Whether a read installs packages that are missing.
        missing_packages: MissingPackages,
    },
}

/// Why a version cannot be read.
#[derive(Debug, Error)]
pub enum ReadBuildError {
    /// The file cannot be read.
    #[error("cannot read component file {}: {source}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The folder cannot be packed.
    #[error("cannot pack source folder: {0}")]
    Folder(#[from] BuildError),
}

impl BuildSource {
    /// The path of the file or the folder.
    pub fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Folder { path, .. } => path,
        }
    }

    /// Reads a version of at most `limit`. Runs other programs only to install the packages of a folder. Blocks on the
    /// disk and on the installation, so do not call it from async code.
    ///
    /// # Errors
    /// If the file cannot be read, or the folder cannot be packed.
    pub fn read(&self, limit: ByteSize) -> Result<Build, ReadBuildError> {
        match self {
            Self::File(file) => Build::read(file, limit)
                .map_err(|source| ReadBuildError::File { file: file.clone(), source }),
            Self::Folder { path, missing_packages } => {
                let packed = PackedSource::from_folder(path, limit, *missing_packages)?;
                let unsigned = MissingSignature::FileNotFound(signature_path(path));
                Ok(Build::new(packed.bytes, Err(unsigned)))
            }
        }
    }
}

impl ReadBuildError {
    /// Whether the file or the folder does not exist.
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::File { source, .. } => source.kind() == io::ErrorKind::NotFound,
            Self::Folder(error) => matches!(error, BuildError::NoFolder(_)),
        }
    }
}
