//! Gives a component of any tool its manifest, for `narrowboat plugin pack`.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::built_plugin::{BuiltPlugin, write_if_changed};
use narrowboat_core::component::{self, ComponentError};
use narrowboat_core::manifest::{Manifest, ManifestError};

/// Why a component cannot be packed.
#[derive(Debug, Error)]
pub enum PackError {
    /// The component or the manifest cannot be read, or the result cannot be written.
    #[error("{}: {source}", file.display())]
    File {
        /// The path of the file.
        file: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file is not a component of a plugin.
    #[error("{} {source}", file.display())]
    Component {
        /// The path of the file.
        file: PathBuf,
        /// The difference.
        source: ComponentError,
    },
    /// The manifest is wrong.
    #[error("{}: {source}", file.display())]
    Manifest {
        /// The path of the manifest.
        file: PathBuf,
        /// The error in the manifest.
        source: ManifestError,
    },
    /// The component has a manifest already.
    #[error(
        "{} has a manifest already, which `narrowboat plugin inspect` prints; pack the component that its tool made",
        .0.display()
    )]
    HasManifest(PathBuf),
}

/// Adds a manifest to a component. Without `out` the result is written to `narrowboat/NAME.wasm` in the current folder.
///
/// # Errors
/// When a file cannot be read or written, or is wrong.
pub fn pack(
    component: &Path,
    manifest: &Path,
    out: Option<&Path>,
) -> Result<BuiltPlugin, PackError> {
    let bytes = read(component)?;
    let info = component::parse_plugin(&bytes)
        .map_err(|source| PackError::Component { file: component.to_owned(), source })?;
    if info.manifest.is_some() {
        return Err(PackError::HasManifest(component.to_owned()));
    }
    let (manifest, text) = parse_manifest(manifest)?;
    let file = out.map_or_else(
        || Path::new("narrowboat").join(format!("{}.wasm", manifest.name)),
        Path::to_owned,
    );
    let bytes = component::append_manifest(bytes, &text);
    let has_changed = write_if_changed(&file, &bytes)
        .map_err(|source| PackError::File { file: file.clone(), source })?;
    Ok(BuiltPlugin { file, manifest, bytes, has_changed })
}

fn parse_manifest(file: &Path) -> Result<(Manifest, String), PackError> {
    let at = || file.to_owned();
    let bytes = read(file)?;
    let manifest = Manifest::parse_of_component(&bytes)
        .map_err(|source| PackError::Manifest { file: at(), source })?;
    let text = String::from_utf8(bytes).map_err(|error| PackError::File {
        file: at(),
        source: io::Error::new(io::ErrorKind::InvalidData, error),
    })?;
    Ok((manifest, text))
}

fn read(file: &Path) -> Result<Vec<u8>, PackError> {
    std::fs::read(file).map_err(|source| PackError::File { file: file.to_owned(), source })
}
