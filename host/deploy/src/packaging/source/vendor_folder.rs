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
    /// Whether the folder has nothing but hidden files.
    is_empty: bool,
    /// The versions of the packages, by their normal names. Empty if no installer has filled the folder.
    versions: BTreeMap<String, String>,
}

impl VendorFolder {
    /// Reads the folder; `None` if it does not exist.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub(super) fn read(path: PathBuf) -> Result<Option<Self>, RequirementsError> {
        match read_names(&path) {
            Ok(names) => Ok(Some(Self {
                path,
                is_empty: names.iter().all(|name| name.starts_with('.')),
                versions: names.iter().filter_map(|name| installed_version(name)).collect(),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(RequirementsError::File { path, source }),
        }
    }

    /// Checks that the folder has the required packages. A folder that was filled without an installer is right.
    ///
    /// # Errors
    /// [`RequirementsError::OutdatedVendor`].
    pub(super) fn check(&self, requirements: &Requirements) -> Result<(), RequirementsError> {
        if self.versions.is_empty() && !self.is_empty {
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

/// Reads the names of the entries of a folder.
fn read_names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = std::fs::read_dir(folder)?;
    entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// Returns the package and its version if the entry is its folder `NAME-VERSION.dist-info`.
fn installed_version(entry: &str) -> Option<(String, String)> {
    let (name, version) = entry.strip_suffix(".dist-info")?.rsplit_once('-')?;
    Some((normalize_name(name), normalize_version(version)))
}
