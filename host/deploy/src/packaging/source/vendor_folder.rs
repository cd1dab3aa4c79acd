//! The folder `vendor` of a source plugin, which has the packages that it requires.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::requirements::{Requirements, normalize_name, normalize_version};
use super::requirements_error::RequirementsError;

/// The packages that installers have put into a folder.
#[derive(Debug)]
pub(super) struct VendorFolder {
    path: PathBuf,
    /// The versions of the packages, by their normal names. Empty if no installer has filled the folder.
    versions: BTreeMap<String, String>,
}

impl VendorFolder {
    /// Reads the folder; `None` if it does not exist.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub(super) fn read(path: PathBuf) -> Result<Option<Self>, RequirementsError> {
        match read_versions(&path) {
            Ok(versions) => Ok(Some(Self { path, versions })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(RequirementsError::File { path, source }),
        }
    }

    /// Checks that the folder has the required packages. A folder that no installer has filled is right.
    ///
    /// # Errors
    /// [`RequirementsError::OutdatedVendor`].
    pub(super) fn check(&self, requirements: &Requirements) -> Result<(), RequirementsError> {
        if self.versions.is_empty() {
            return Ok(());
        }
        let mut packages = requirements.packages.iter();
        let problem = packages.find_map(|package| {
            match (self.versions.get(&package.name), &package.version) {
                (None, _) => Some(format!("lacks the package {}", package.name)),
                (Some(found), Some(wanted)) if found != wanted => Some(format!(
                    "has {} {found}, and requirements.txt names {wanted}",
                    package.name
                )),
                _ => None,
            }
        });
        let vendor = self.path.clone();
        problem.map_or(Ok(()), |problem| Err(RequirementsError::OutdatedVendor { vendor, problem }))
    }
}

/// Reads the names of the folders `NAME-VERSION.dist-info`, one for each installed package.
fn read_versions(folder: &Path) -> io::Result<BTreeMap<String, String>> {
    let mut versions = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let package = name.to_str().and_then(|name| name.strip_suffix(".dist-info"));
        if let Some((name, version)) = package.and_then(|package| package.rsplit_once('-')) {
            versions.insert(normalize_name(name), normalize_version(version));
        }
    }
    Ok(versions)
}
