//! The folder of a source plugin, packed.

use std::path::Path;

use super::node_packages;
use super::python_packages::{self, PythonPackages};
use super::requirements_error::RequirementsError;
use super::skipped_files::VENDOR;
use super::source_files::SourceFiles;
use crate::packaging::build_error::BuildError;
use narrowboat_core::manifest::{self, Language, Manifest, SourceSettings};
use narrowboat_core::units::ByteSize;

/// The reaction to packages that a source plugin requires and that are not installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MissingPackages {
    /// Install them with the tools of this machine: `narrowboat plugin build`, and a host in development.
    Install,
    /// Refuse to pack. A host that serves runs no other programs.
    Refuse,
}

/// The folder of a source plugin, packed.
#[derive(Debug)]
pub struct PackedSource {
    /// The manifest.
    pub manifest: Manifest,
    /// The bytes of the source bundle.
    pub bytes: Vec<u8>,
}

impl PackedSource {
    /// Packs a folder into a bundle of at most `limit`. Blocks on the disk, and while packages are installed.
    ///
    /// # Errors
    /// The problem with the folder, its manifest or its packages.
    pub fn from_folder(
        folder: &Path,
        limit: ByteSize,
        missing_packages: MissingPackages,
    ) -> Result<Self, BuildError> {
        let manifest = read_manifest(folder)?;
        let mut files = SourceFiles::new(folder, limit);
        files.add_folder(folder, Path::new(""))?;
        add_packages(&manifest, &mut files, folder, missing_packages)?;
        Ok(Self { manifest, bytes: files.pack()? })
    }
}

/// The folder of a source plugin, packed without its tests, as for a host, and with them.
#[derive(Debug)]
pub struct PackedTests {
    /// The bytes of the source bundle of the plugin.
    pub plugin: Vec<u8>,
    /// The bytes of the source bundle of the plugin and its tests.
    pub with_tests: Vec<u8>,
}

impl PackedTests {
    /// Packs a folder, as [`PackedSource::from_folder`] does. Reads each file once.
    ///
    /// # Errors
    /// As [`PackedSource::from_folder`].
    pub fn from_folder(
        folder: &Path,
        limit: ByteSize,
        missing_packages: MissingPackages,
    ) -> Result<Self, BuildError> {
        let manifest = read_manifest(folder)?;
        let mut files = SourceFiles::new(folder, limit);
        files.add_plugin_with_tests()?;
        let tests = files.tests();
        add_packages(&manifest, &mut files, folder, missing_packages)?;
        let with_tests = files.pack()?;
        files.remove(&tests);
        Ok(Self { plugin: files.pack()?, with_tests })
    }
}

/// Adds the packages that the plugin requires.
fn add_packages(
    manifest: &Manifest,
    files: &mut SourceFiles,
    folder: &Path,
    missing_packages: MissingPackages,
) -> Result<(), BuildError> {
    match manifest.source.as_ref().map(|SourceSettings { runtime, .. }| runtime) {
        None => Ok(()),
        Some(Language::Python) => add_python_packages(files, folder, missing_packages),
        Some(Language::JavaScript) => Ok(node_packages::add(files, folder)?),
    }
}

fn add_python_packages(
    files: &mut SourceFiles,
    folder: &Path,
    missing_packages: MissingPackages,
) -> Result<(), BuildError> {
    let installed = match (PythonPackages::find(folder)?, missing_packages) {
        (PythonPackages::InFolder, _) => return Ok(()),
        (PythonPackages::Installed(installed), _) => installed,
        (PythonPackages::Missing(requirements), MissingPackages::Install) => {
            python_packages::install(folder, &requirements)?
        }
        (PythonPackages::Missing(_), MissingPackages::Refuse) => {
            return Err(RequirementsError::NotInstalled { folder: folder.to_owned() }.into());
        }
    };
    Ok(files.add_folder(&installed, Path::new(VENDOR))?)
}

/// Reads the manifest of a source plugin.
fn read_manifest(folder: &Path) -> Result<Manifest, BuildError> {
    if !folder.is_dir() {
        return Err(BuildError::NoFolder(folder.to_owned()));
    }
    let file = folder.join(manifest::FILE_NAME);
    let text = std::fs::read(&file)
        .map_err(|source| BuildError::NoManifest { file: file.clone(), source })?;
    Manifest::parse_of_bundle(&text).map_err(|source| BuildError::Manifest { file, source })
}
